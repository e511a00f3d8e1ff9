//! The examples in `docs/protocol.md` are messages of this protocol.

use aplomb_protocol::{Answer, Message, Request, VERSION};

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

/// The lines of all blocks of JSON.
fn examples() -> Vec<&'static str> {
    let mut examples = Vec::new();
    let mut lines = DOCUMENT.lines();
    while lines.any(|line| line == "```json") {
        examples.extend(lines.by_ref().take_while(|line| *line != "```"));
    }
    examples
}

#[test]
fn every_example_is_a_message_and_says_nothing_this_version_does_not_know() {
    let mut requests = 0;
    for example in examples() {
        let said: serde_json::Value = serde_json::from_str(example).expect(example);
        if said.get("ask").is_some() {
            let request: Request = serde_json::from_str(example).expect(example);
            assert_eq!(request.v, VERSION, "{example}");
            let known = serde_json::to_value(&request).expect(example);
            for field in said.as_object().expect(example).keys() {
                assert!(known.get(field).is_some(), "`{field}` in {example}");
            }
            requests += 1;
        } else {
            let message: Message = serde_json::from_str(example).expect(example);
            let known = serde_json::to_value(&message).expect(example);
            assert_eq!(known, said, "{example}");
        }
    }
    assert_eq!(requests, 17, "one example of each request");
}

#[test]
fn the_version_in_the_document_is_ours() {
    assert!(DOCUMENT.contains(&format!("say to each other, version {VERSION}.")));
    let hello = examples()
        .into_iter()
        .filter_map(|example| serde_json::from_str::<Message>(example).ok())
        .find_map(|message| match message {
            Message::Answer {
                answer: Answer::Hello { v, .. },
                ..
            } => Some(v),
            Message::Answer { .. } | Message::Fault { .. } | Message::Event(_) => None,
        });
    assert_eq!(hello, Some(VERSION));
}
