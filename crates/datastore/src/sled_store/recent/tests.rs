use super::*;

fn stage(recent: &mut Recent, key: &str, value: Option<&str>, held: Option<&str>) {
    let bytes = |text: Option<&str>| text.map(|text| Arc::from(text.as_bytes()));
    let before = (!recent.has(key.as_bytes())).then(|| bytes(held));
    recent.stage(vec![StagedRow { key: Arc::from(key.as_bytes()), value: bytes(value), before }]);
}

fn get<'a>(recent: &'a Recent, key: &str, at: u64) -> Option<Option<&'a [u8]>> {
    recent.get(key.as_bytes(), at).map(|value| value.as_deref())
}

#[test]
fn each_snapshot_shows_its_own_version_until_nobody_looks() {
    let mut recent = Recent::default();
    stage(&mut recent, "k", Some("one"), Some("held"));
    assert_eq!((recent.visible(), get(&recent, "k", 0)), (0, Some(Some(&b"held"[..]))));
    recent.show();
    stage(&mut recent, "k", None, None);
    recent.show();
    assert_eq!(get(&recent, "k", 1), Some(Some(&b"one"[..])));
    assert_eq!(get(&recent, "k", 2), Some(None), "deleted");
    recent.prune(2);
    assert_eq!(recent.len(), 1, "the engine does not hold it yet");
    recent.written();
    recent.prune(1);
    assert_eq!(get(&recent, "k", 1), Some(Some(&b"one"[..])));
    recent.prune(2);
    assert_eq!((recent.len(), get(&recent, "k", 2)), (0, None));
}

#[test]
fn changes_are_what_the_engine_does_not_hold_with_what_it_holds_instead() {
    let mut recent = Recent::default();
    stage(&mut recent, "a", Some("new"), None);
    stage(&mut recent, "b", Some("x"), Some("held"));
    stage(&mut recent, "b", None, None);
    recent.show();
    let told = |recent: &Recent| -> Vec<_> {
        let told = |change: Change| (change.key.to_vec(), change.before, change.value.is_some());
        recent.changes().into_iter().map(told).collect()
    };
    assert_eq!(told(&recent), [(b"a".to_vec(), None, true), (b"b".to_vec(), Some(4), false)]);
    assert!(recent.pending_bytes() > 0);
    recent.written();
    assert_eq!((told(&recent), recent.pending_bytes()), (vec![], 0));
    // Still here for a snapshot of commit 1, so what the engine holds is known.
    recent.prune(1);
    stage(&mut recent, "b", Some("again"), None);
    assert_eq!(told(&recent), [(b"b".to_vec(), None, true)]);
}

#[test]
fn ranges_show_one_moment() {
    let mut recent = Recent::default();
    for key in ["a", "b", "c"] {
        stage(&mut recent, key, Some(key), None);
    }
    recent.show();
    let keys = |at| -> Vec<_> {
        let rows = recent.range(Bound::Excluded(b"a"), Bound::Unbounded, at);
        rows.map(|(key, value)| (key.to_vec(), value.is_some())).collect()
    };
    assert_eq!(keys(2), [(b"b".to_vec(), true), (b"c".to_vec(), false)]);
    assert_eq!(keys(3), [(b"b".to_vec(), true), (b"c".to_vec(), true)]);
}
