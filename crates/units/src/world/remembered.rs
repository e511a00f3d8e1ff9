//! A world that is asked every question once.
//!
//! A thousand services run as three users in two directories: what the machine said for the first holds for all that
//! are read with it. One reading is one moment, so nothing is ever forgotten. What is asked once anyway is handed on:
//! texts, links, and directories, which the search of a dialect lists once.

use std::cell::RefCell;
use std::collections::BTreeMap;

use aplomb_core::Spec;

use super::{Fact, FileKind, Impossible, World};

/// Answers by question.
type Answers<A> = RefCell<BTreeMap<String, A>>;

pub(crate) struct Remembered<'w> {
    world: &'w dyn World,
    files: Answers<FileKind>,
    users: Answers<bool>,
    groups: Answers<bool>,
    env: Answers<Option<String>>,
    facts: RefCell<BTreeMap<Fact, Option<String>>>,
}

impl<'w> Remembered<'w> {
    pub(crate) fn new(world: &'w dyn World) -> Remembered<'w> {
        Remembered {
            world,
            files: Answers::default(),
            users: Answers::default(),
            groups: Answers::default(),
            env: Answers::default(),
            facts: RefCell::default(),
        }
    }
}

/// The answer given before, else the one the machine gives now.
fn once<A: Clone>(answers: &Answers<A>, question: &str, ask: impl FnOnce() -> A) -> A {
    if let Some(answer) = answers.borrow().get(question) {
        return answer.clone();
    }
    let answer = ask();
    answers
        .borrow_mut()
        .insert(question.to_owned(), answer.clone());
    answer
}

impl World for Remembered<'_> {
    fn file(&self, path: &str) -> FileKind {
        once(&self.files, path, || self.world.file(path))
    }

    fn head(&self, path: &str) -> Option<Vec<u8>> {
        self.world.head(path)
    }

    fn search_path(&self, directories: &[String]) -> String {
        self.world.search_path(directories)
    }

    fn find_program(&self, name: &str, search_path: &str) -> Option<String> {
        self.world.find_program(name, search_path)
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.world.read(path)
    }

    fn link(&self, path: &str) -> Option<String> {
        self.world.link(path)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        self.world.glob(pattern)
    }

    fn list(&self, directory: &str) -> Vec<String> {
        self.world.list(directory)
    }

    fn has_service(&self, name: &str) -> bool {
        self.world.has_service(name)
    }

    fn user_exists(&self, name: &str) -> bool {
        once(&self.users, name, || self.world.user_exists(name))
    }

    fn group_exists(&self, name: &str) -> bool {
        once(&self.groups, name, || self.world.group_exists(name))
    }

    fn env(&self, name: &str) -> Option<String> {
        once(&self.env, name, || self.world.env(name))
    }

    fn impossible(&self, spec: &Spec) -> Vec<Impossible> {
        self.world.impossible(spec)
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        if let Some(answer) = self.facts.borrow().get(&fact) {
            return answer.clone();
        }
        let answer = self.world.fact(fact);
        self.facts.borrow_mut().insert(fact, answer.clone());
        answer
    }
}
