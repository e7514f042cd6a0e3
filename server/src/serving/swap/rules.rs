//! Pure decisions of a swap: what the revision that was asked for last means for the others of its deployment.
//!
//! One that comes in by `recreate` is placed, and waits. As soon as all of its replicas would find room without the others, the live
//! one steps aside (`yielding`, `stopping`, `parked`); what it held goes over in the transaction that parks it. When the new one
//! serves, the parked one is over; when the new one failed or is not wanted any more, it comes back (`returning`).

use crate::serving::rules::RevisionState;

/// A revision of the deployment that can still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sibling {
    pub number: i64,
    pub state: RevisionState,
    /// It comes in by `recreate`.
    pub recreates: bool,
}

/// What is known of all of them.
#[derive(Debug, Clone, Default)]
pub struct Family {
    pub siblings: Vec<Sibling>,
    /// Number of the revision that was asked for last.
    pub goal: i64,
    /// All replicas of that one find room once its siblings have ended.
    pub goal_fits: bool,
}

/// What the revision that was asked for last means for another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Swap {
    #[default]
    Nothing,
    /// It waits for what this one holds.
    StepAside,
    /// It will not serve, or this one is what was asked for last.
    ComeBack,
    /// It serves.
    Superseded,
}

/// How a revision stands to its siblings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kin {
    pub swap: Swap,
    /// One that waits has nobody to wait for any more.
    pub may_start: bool,
    /// One that is parked is wanted again, and nobody has its room.
    pub may_return: bool,
    /// One that waits would find room once its siblings have ended.
    pub fits: bool,
}

impl Kin {
    /// Of one that waits, in words.
    pub fn waits_for(self) -> &'static str {
        match self.fits {
            true => "Waiting until the revision before it has ended.",
            false => "Waiting for GPUs that others hold; the revision before it goes on until they are free.",
        }
    }
}

impl Family {
    /// How the revision of that number stands to the others.
    pub fn kin(&self, number: i64) -> Kin {
        let others = || self.siblings.iter().filter(|it| it.number != number);
        let others_hold = others().any(|it| it.state.holds());
        let somebody_is_parked = others().any(|it| it.state == RevisionState::Parked);
        let swap = self.swap(number);
        Kin {
            swap,
            // what does not fit after all must not keep out one that did
            may_start: number == self.goal && !others_hold && (self.goal_fits || !somebody_is_parked),
            may_return: swap == Swap::ComeBack && !others_hold,
            fits: self.goal_fits,
        }
    }

    fn swap(&self, number: i64) -> Swap {
        let goal = self.siblings.iter().find(|it| it.number == self.goal);
        // one that is not among them is over
        let Some(goal) = goal.filter(|it| it.number != number) else { return Swap::ComeBack };
        match goal.state {
            RevisionState::Live => Swap::Superseded,
            _ if !goal.recreates => Swap::ComeBack,
            RevisionState::Waiting if self.goal_fits => Swap::StepAside,
            RevisionState::Waiting => Swap::ComeBack,
            _ => Swap::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RevisionState::{Failed, Failing, Live, Parked, Placing, Starting, Stopping, Waiting};

    /// A revision 1 in the one state, and a revision 2 that comes in by `recreate` in the other.
    fn family(old: RevisionState, new: RevisionState) -> Family {
        let sibling = |number, state: RevisionState| Sibling { number, state, recreates: number == 2 };
        let siblings = [sibling(1, old), sibling(2, new)].into_iter().filter(|it| !it.state.is_final()).collect();
        Family { siblings, goal: 2, goal_fits: true }
    }

    #[test]
    fn the_old_one_steps_aside_once_the_new_one_is_placed_and_not_before() {
        assert_eq!(family(Live, Placing).kin(1).swap, Swap::Nothing);
        assert_eq!(family(Live, Waiting).kin(1).swap, Swap::StepAside);
        let full = Family { goal_fits: false, ..family(Live, Waiting) };
        assert_eq!(full.kin(1).swap, Swap::ComeBack, "it goes on until there is room for the next");
        assert!(!full.kin(2).may_start);
    }

    #[test]
    fn the_new_one_starts_when_the_old_one_holds_nothing() {
        assert!(!family(Live, Waiting).kin(2).may_start);
        assert!(!family(Stopping, Waiting).kin(2).may_start);
        assert!(family(Parked, Waiting).kin(2).may_start);
        let parked = family(Parked, Starting).kin(1);
        assert!(parked.swap == Swap::Nothing && !parked.may_return);
        assert_eq!(family(Parked, Live).kin(1).swap, Swap::Superseded);
    }

    #[test]
    fn a_parked_one_comes_back_when_the_new_one_is_over_or_not_wanted_any_more() {
        assert!(!family(Parked, Failing).kin(1).may_return, "it still has the room");
        assert!(family(Parked, Failed).kin(1).may_return);
        let taken_back = Family { goal: 1, ..family(Parked, Starting) };
        assert!(taken_back.kin(1).swap == Swap::ComeBack && !taken_back.kin(1).may_return);
        let snatched = Family { goal_fits: false, ..family(Parked, Waiting) };
        assert!(snatched.kin(1).may_return && !snatched.kin(2).may_start);
    }

    #[test]
    fn with_nobody_to_come_back_the_new_one_waits_for_room_by_itself() {
        let alone = Family { goal_fits: false, ..family(Failed, Waiting) };
        assert!(alone.kin(2).may_start);
    }
}
