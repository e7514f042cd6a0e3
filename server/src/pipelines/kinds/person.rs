//! `approval`: a person with the right says yes or no.

use drydock_wire::accounts::Role;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{super::schema::bodies::Approval, Outcome, read};
use crate::{
    accounts::Principal,
    error::{Error, Result},
};

/// What is asked of whom; kept in the row until and after it is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    pub text: String,
    pub role: Role,
    pub people: Vec<String>,
    pub four_eyes: bool,
}

pub fn ask(body: &Value) -> Result<Outcome> {
    let wish: Approval = if body.is_null() { Approval::default() } else { read(body)? };
    let question = Question { text: wish.text, role: wish.role, people: wish.people, four_eyes: wish.four_eyes };
    Ok(Outcome::Asks { question: serde_json::to_value(question).map_err(Error::internal)? })
}

/// Whether this person may answer, or in words who may. `owner`: in whose name the run goes.
pub fn may_answer(question: &Question, who: &Principal, owner: &str) -> std::result::Result<(), String> {
    if question.four_eyes && who.person_id == owner {
        return Err("Somebody else has to answer: the run goes in your name, and four eyes are asked for.".into());
    }
    if !question.people.is_empty() && !question.people.contains(&who.username) {
        return Err(format!("Only {} may answer.", question.people.join(", ")));
    }
    // Nobody answers with less than the right to change things, named or not.
    let needed = question.role.max(Role::Engineer);
    if question.people.is_empty() && who.role < needed || who.role < Role::Engineer {
        return Err(format!("This needs the role {}; {} is {}.", needed.as_str(), who.username, who.role.as_str()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::somebody;

    fn question(role: Role, people: &[&str], four_eyes: bool) -> Question {
        Question {
            text: String::new(),
            role,
            people: people.iter().map(|name| (*name).to_owned()).collect(),
            four_eyes,
        }
    }

    #[test]
    fn the_right_person_answers_and_nobody_else() {
        let ann = somebody("ann");
        let with = |role| Principal { role, ..ann.clone() };
        let may = |question: &Question, who: &Principal, owner: &str| may_answer(question, who, owner).is_ok();
        let of_role = question(Role::Admin, &[], false);
        assert!(may(&of_role, &with(Role::Admin), "x") && !may(&of_role, &ann, "x"));
        let named = question(Role::Admin, &["ann"], false);
        assert!(
            may(&named, &ann, "x") && !may(&named, &somebody("bob"), "x") && !may(&named, &with(Role::Viewer), "x")
        );
        let four = question(Role::Engineer, &[], true);
        assert!(may(&four, &ann, "x") && !may(&four, &ann, &ann.person_id));
        assert!(!may(&question(Role::Viewer, &[], false), &with(Role::Viewer), "x"));
    }
}
