//! Which services a client means: full names, families, globs and unique prefixes.

use aplomb_core::{InstanceId, World};
use aplomb_protocol::{Fault, FaultKind};
use aplomb_units::words::nearest;

/// All services the words mean, each once, in the order of the words.
pub(crate) fn resolve(world: &World, words: &[String]) -> Result<Vec<InstanceId>, Fault> {
    let all = all(world);
    let mut found = Vec::new();
    for word in words {
        for id in resolve_one(&all, word)? {
            if !found.contains(&id) {
                found.push(id);
            }
        }
    }
    Ok(found)
}

fn all(world: &World) -> Vec<(String, InstanceId)> {
    let named = world
        .instances()
        .filter_map(|id| Some((world.standing(id)?.name.to_string(), id)));
    named.collect()
}

fn resolve_one(all: &[(String, InstanceId)], word: &str) -> Result<Vec<InstanceId>, Fault> {
    let matching = |test: &dyn Fn(&str) -> bool| -> Vec<InstanceId> {
        all.iter()
            .filter(|(name, _)| test(name))
            .map(|(_, id)| *id)
            .collect()
    };
    let exact = matching(&|name| name == word);
    if !exact.is_empty() {
        return Ok(exact);
    }
    let family = matching(&|name| {
        name.split_once('@')
            .is_some_and(|(family, _)| family == word)
    });
    if !family.is_empty() {
        return Ok(family);
    }
    if word.contains(['*', '?']) {
        let globbed = matching(&|name| glob(word.as_bytes(), name.as_bytes()));
        return if globbed.is_empty() {
            Err(unknown(all, word))
        } else {
            Ok(globbed)
        };
    }
    let prefixed: Vec<_> = all
        .iter()
        .filter(|(name, _)| !word.is_empty() && name.starts_with(word))
        .collect();
    match prefixed.as_slice() {
        [] => Err(unknown(all, word)),
        [(_, id)] => Ok(vec![*id]),
        several => Err(ambiguous(word, several)),
    }
}

/// `*` is any run of bytes, `?` any one.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((star_p, star_t)) = star else {
                    return false;
                };
                p = star_p + 1;
                t = star_t + 1;
                star = Some((star_p, star_t + 1));
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

fn unknown(all: &[(String, InstanceId)], word: &str) -> Fault {
    let near = nearest(word, all.iter().map(|(name, _)| name.as_str()));
    Fault {
        kind: FaultKind::UnknownService,
        message: format!("there is no service `{word}`"),
        action: Some(match near {
            Some(name) => format!("did you mean `{name}`?"),
            None => "see `aplomb list`".to_owned(),
        }),
        diagnostics: Vec::new(),
    }
}

fn ambiguous(word: &str, several: &[&(String, InstanceId)]) -> Fault {
    let names: Vec<_> = several
        .iter()
        .take(5)
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let more = if several.len() > names.len() {
        ", …"
    } else {
        ""
    };
    Fault {
        kind: FaultKind::Ambiguous,
        message: format!("`{word}` could be {}{more}", names.join(", ")),
        action: Some(format!(
            "write more of the name, or `{word}*` for all of them"
        )),
        diagnostics: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use aplomb_core::{Instant, RunId, Spec};

    use super::*;

    fn world() -> World {
        let mut world = World::new(1, RunId(1));
        let names = ["web@1", "web@2", "worker", "store", "größe"];
        world.load(names.map(Spec::new), Instant::ORIGIN);
        world
    }

    fn names(words: &[&str]) -> Result<Vec<String>, String> {
        let world = world();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let found = resolve(&world, &words).map_err(|fault| fault.to_string())?;
        Ok(found
            .into_iter()
            .filter_map(|id| Some(world.standing(id)?.name.to_string()))
            .collect())
    }

    #[test]
    fn full_names_families_globs_and_unique_prefixes_are_understood() {
        assert_eq!(names(&["store"]), Ok(vec!["store".into()]));
        assert_eq!(names(&["web"]), Ok(vec!["web@1".into(), "web@2".into()]));
        assert_eq!(
            names(&["w*2", "st"]),
            Ok(vec!["web@2".into(), "store".into()])
        );
        assert_eq!(names(&["gr"]), Ok(vec!["größe".into()]));
        assert_eq!(names(&["*"]).map(|all| all.len()), Ok(5));
    }

    #[test]
    fn the_same_service_named_twice_is_meant_once() {
        assert_eq!(
            names(&["web@1", "web", "web@?"]),
            Ok(vec!["web@1".into(), "web@2".into()])
        );
    }

    #[test]
    fn what_could_be_several_or_none_is_said() {
        assert_eq!(
            names(&["w"]),
            Err("`w` could be `web@1`, `web@2`, `worker`".into())
        );
        assert_eq!(names(&["stare"]), Err("there is no service `stare`".into()));
        assert!(names(&[""]).is_err());
        assert!(names(&["q*"]).is_err());
    }

    #[test]
    fn a_near_miss_is_named() {
        let fault = resolve(&world(), &["stroe".into()]).expect_err("unknown");
        assert_eq!(fault.action.as_deref(), Some("did you mean `store`?"));
    }
}
