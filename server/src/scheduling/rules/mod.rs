//! Who runs next: one pure function from rows to a decision. No clock, no database, no Docker, no randomness; the same rows in
//! another order give the same decision.
//!
//! Order. Whoever was the head stays it. Then come lines that are overdue (a line is a person's jobs in a queue), each with its first
//! job: those of which nothing has started in its turn for their queue's patience, the longest first. The others go by the weighted share of
//! the box that their queue has used (its largest, over all resources: dominant resource fairness), in the queue by priority, then
//! by their person's share, then by age. In a line an overdue job comes first, then priority counts, then age.
//!
//! Always holds: nothing is given out twice, and no cap is passed. The first in the order that the box has no room for is the head: it
//! gets a reservation, the earliest instant at which it fits when every running job takes all of its time. Whoever comes after it
//! starts now only if it is over by then, or leaves the head's room alone (backfill). So a reservation never moves to a later instant,
//! and since every job has a time limit (the queue's where its own says nothing), a head always gets its turn.
//!
//! None starves. A job that is passed by younger ones of its own line makes the line overdue, since those did not start in their turn;
//! so it comes to the front and becomes the head. If a cap holds it back there, it closes that cap, so that the room under it comes
//! together. A person who floods a queue gains nothing by it: their jobs start in their turn, so their line is never overdue.

mod decide;
mod reserve;
mod room;
mod rows;
mod words;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod simulation;

pub use decide::decide;
pub use rows::*;
