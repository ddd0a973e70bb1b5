//! The store on real files: what survives, and what damage does.

use jiff::Timestamp;

use super::*;
use crate::types::Options;

fn record() -> Record {
    Record::new(Options::new(), Timestamp::UNIX_EPOCH)
}

fn beginning(boot_id: &str) -> Beginning<'_> {
    Beginning {
        boot_id,
        forget_holds: false,
        adopted: Vec::new(),
    }
}

#[tokio::test]
async fn what_was_put_is_there_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    let (store, condition) = Store::open(&path).unwrap();
    assert_eq!(condition, Condition::New);
    store.begin(&beginning("boot")).unwrap();
    for name in ["a", "b"] {
        store.put(name, &record()).await.unwrap();
    }
    store.delete("a").await.unwrap();
    drop(store);

    let (store, condition) = Store::open(&path).unwrap();
    assert_eq!(condition, Condition::Sound);
    assert_eq!(store.read("a").unwrap(), None);
    assert_eq!(store.read("b").unwrap(), Some(record()));
    let mut names = Vec::new();
    store
        .visit(|name, record| names.push((name.to_owned(), record.is_some())))
        .unwrap();
    assert_eq!(names, [("b".to_owned(), true)]);
}

#[tokio::test]
async fn changes_at_once_are_all_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&directory.path().join("state.redb")).unwrap();
    store.begin(&beginning("boot")).unwrap();
    let store = Arc::new(store);
    let puts: Vec<_> = (0..500)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.put(&number.to_string(), &record()).await })
        })
        .collect();
    for put in puts {
        put.await.unwrap().unwrap();
    }
    let mut count = 0;
    store.visit(|_, _| count += 1).unwrap();
    assert_eq!(count, 500);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_hides_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&directory.path().join("state.redb")).unwrap();
    store.begin(&beginning("boot")).unwrap();
    store.put("good", &record()).await.unwrap();
    store
        .writer
        .write("bad", Some(b"{".to_vec()))
        .await
        .unwrap();
    assert!(store.read("bad").is_err());
    assert!(store.knows("bad"));
    let mut seen = Vec::new();
    store
        .visit(|name, record| seen.push((name.to_owned(), record.is_some())))
        .unwrap();
    assert_eq!(seen, [("bad".to_owned(), false), ("good".to_owned(), true)]);
}

#[tokio::test]
async fn writing_goes_on_after_the_database_was_lost_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&directory.path().join("state.redb")).unwrap();
    store.begin(&beginning("boot")).unwrap();
    store.put("before", &record()).await.unwrap();
    *store.shared.database.write().unwrap() = None;
    assert!(store.read("before").is_err());
    store.put("after", &record()).await.unwrap();
    assert!(store.read("before").unwrap().is_some() && store.read("after").unwrap().is_some());
}

#[test]
fn the_file_of_another_program_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    {
        let database = Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let table = TableDefinition::<&str, u64>::new("something else");
        transaction
            .open_table(table)
            .unwrap()
            .insert("a", 1)
            .unwrap();
        transaction.commit().unwrap();
    }
    let (_, condition) = Store::open(&path).unwrap();
    assert!(matches!(condition, Condition::SetAside(aside) if aside.exists()));
}

#[test]
fn a_file_that_may_not_be_opened_is_not_taken_for_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    std::fs::create_dir(&path).unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.starts_with("cannot use the state file"), "{error}");
    assert!(path.is_dir());
}

/// However a file is damaged, opening it ends in one of two ways: every record is as it was, or
/// the file is set aside. A wrong or missing record is never taken for the truth.
#[tokio::test]
async fn damage_is_either_harmless_or_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.redb");
    let (store, _) = Store::open(&path).unwrap();
    store.begin(&beginning("boot")).unwrap();
    for number in 0..60 {
        store.put(&number.to_string(), &record()).await.unwrap();
    }
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let (mut harmless, mut noticed) = (0, 0);
    for case in 0_usize..60 {
        let mut bytes = whole.clone();
        let place = case * 7919 % 40_960;
        match case % 3 {
            0 => bytes.truncate(place),
            1 => bytes[place] ^= 0x10,
            _ => bytes[place..place + 512].fill(0xA5),
        }
        let copy = directory.path().join(format!("{case}.redb"));
        std::fs::write(&copy, &bytes).unwrap();
        let (store, condition) = Store::open(&copy).unwrap();
        let mut count = 0;
        match condition {
            Condition::Sound => {
                store
                    .visit(|_, found| count += usize::from(found == Some(record())))
                    .unwrap();
                assert_eq!(count, 60, "case {case}: records were lost silently");
                harmless += 1;
            }
            Condition::SetAside(aside) => {
                // redb may have noted in the header that it tried a repair.
                let kept = std::fs::read(aside).unwrap();
                assert!(
                    kept.iter().skip(4096).eq(bytes.iter().skip(4096)),
                    "case {case}: the content changed"
                );
                noticed += 1;
            }
            Condition::New => assert!(bytes.is_empty(), "case {case}"),
        }
        store.begin(&beginning("boot")).unwrap();
        store.put("new", &record()).await.unwrap();
    }
    assert!(
        harmless > 0 && noticed > 0,
        "{harmless} harmless, {noticed} noticed"
    );
}
