//! The parts that pages are made of. Each is accessible by itself: a role, a name, a place in the tab order.
//!
//! Pages put them together and give them data; no part here asks the server for anything.

pub mod button;
pub mod data;
pub mod dialog;
pub mod each;
pub mod field;
pub mod list;
pub mod show;
pub mod status;
pub mod table;
pub mod theme;
pub mod toast;
pub mod url;

pub use button::{Button, CopyButton, LinkButton, Look};
pub use data::{
    Card, EmptyState, ErrorState, Facts, Icon, Loaded, Meter, PageHead, Skeleton, Tabs, TimeAgo, with_code,
};
pub use dialog::{ConfirmDialog, Dialog, opened_by};
pub use each::Each;
pub use field::{Choice, Field, SelectField, Suggestions, TextArea};
pub use list::{Chips, Pager, SearchBox};
pub use show::Show;
pub use status::{Pill, Status, Tone};
pub use table::{Column, Sort, Table};
pub use toast::{act, toast};
