//! What every storage does alike, and what only one on disk has to do.

mod author;
mod contents;
#[cfg(feature = "durable")]
mod damage;
#[cfg(feature = "durable")]
pub(crate) mod disk;
pub(crate) mod words;

use proptest::prelude::*;
use proptest::test_runner::Config;

use self::author::Author;
use self::contents::Contents;
use super::memory::{MemoryDisk, MemoryStorage};
use super::{ChannelRow, Missing, NewMessage, NewRequest, Row, Storage, Write};

proptest! {
    #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]

    #[test]
    fn what_is_written_in_any_order_reads_the_same_from_every_storage(
        commits in prop::collection::vec(prop::collection::vec(any::<[u8; 4]>(), 0..24), 1..8),
    ) {
        let mut author = Author::default();
        let disk = MemoryDisk::default();
        let mut memory = MemoryStorage::on(&disk);
        #[cfg(feature = "durable")]
        let folder = disk::TestFolder::new();
        #[cfg(feature = "durable")]
        let mut sqlite = folder.open();
        for dice in &commits {
            let writes: Vec<_> = dice.iter().flat_map(|dice| author.write(*dice)).collect();
            memory.commit(author.now_ms(), &writes).unwrap();
            #[cfg(feature = "durable")]
            sqlite.commit(author.now_ms(), &writes).unwrap();
        }
        let expected = Contents::of(&mut *memory.reader().unwrap());
        prop_assert_eq!(&expected, &Contents::of(&mut *MemoryStorage::on(&disk).reader().unwrap()));
        #[cfg(feature = "durable")]
        {
            prop_assert_eq!(&expected, &Contents::of(&mut *sqlite.reader().unwrap()));
            drop(sqlite);
            prop_assert_eq!(&expected, &Contents::of(&mut *folder.open().reader().unwrap()));
        }
    }
}

/// Runs a test over a storage of each kind: what it is given opens the storage, again and again.
fn over_every_storage(test: impl Fn(&dyn Fn() -> Box<dyn Storage>)) {
    let disk = MemoryDisk::default();
    test(&|| Box::new(MemoryStorage::on(&disk)));
    #[cfg(feature = "durable")]
    {
        let folder = disk::TestFolder::new();
        test(&|| Box::new(folder.open()));
    }
}

#[test]
fn each_start_has_a_higher_number_and_time_does_not_go_back() {
    over_every_storage(|open| {
        let first = open().begin(7, 50_000).unwrap();
        assert_eq!((first.number, first.now_ms), (7, 50_000));
        let mut storage = open();
        let second = storage.begin(3, 20_000).unwrap();
        assert!(second.number > first.number && second.now_ms >= 50_000);
        storage.commit(99_999, &[]).unwrap();
        storage.commit(100_500, &[]).unwrap();
        drop(storage);
        let third = open().begin(1_000_000, 0).unwrap();
        assert_eq!(third.number, 1_000_000);
        assert!((100_500..102_000).contains(&third.now_ms), "{third:?}");
    });
}

#[test]
fn a_clock_of_any_kind_is_taken() {
    over_every_storage(|open| {
        assert_eq!(open().begin(u64::MAX, u64::MAX).unwrap().number, u64::MAX);
        assert_eq!(open().begin(0, 0).unwrap().now_ms, u64::MAX);
    });
}

#[test]
fn a_redriven_letter_takes_its_message_and_its_operation_along() {
    over_every_storage(|open| {
        let channel = ChannelRow(3);
        let mut storage = open();
        storage.commit(1, &words::a_dead_letter(channel, 1)).unwrap();
        storage.commit(2, &words::a_redrive(channel, 1, 2)).unwrap();
        let message = words::message(&mut *storage.reader().unwrap(), channel, 2).unwrap();
        assert_eq!(message, words::message_text(1));
        assert!(words::message(&mut *storage.reader().unwrap(), channel, 1).is_err());
    });
}

#[test]
fn what_is_forgotten_leaves_nothing_behind() {
    over_every_storage(|open| {
        let mut author = Author::default();
        let mut storage = open();
        for step in 0..400_u16 {
            let [low, high] = step.to_le_bytes();
            let writes = author.write([low, low.wrapping_mul(31), high.wrapping_add(low), low / 3]);
            storage.commit(author.now_ms(), &writes).unwrap();
        }
        storage.commit(author.now_ms(), &author.forget_all()).unwrap();
        assert_eq!(Contents::of(&mut *storage.reader().unwrap()), Contents::default());
        while storage.tidy().unwrap() {}
        let idle = storage.used().unwrap();
        storage.commit(author.now_ms(), &words::a_dead_letter(ChannelRow(1), 1)).unwrap();
        assert!(storage.used().unwrap() > idle);
        assert!(idle < 100_000, "{idle} bytes for nothing");
    });
}

#[test]
fn a_payload_that_was_let_go_before_it_was_kept_is_not_kept_as_an_empty_one() {
    over_every_storage(|open| {
        let (channel, row) = (ChannelRow(1), Row::new(ChannelRow(1), 11));
        let request = words::request(11);
        request.forget_payload();
        let message = NewMessage::Here(request);
        let mut storage = open();
        storage.commit(1, &[Write::Accept(Box::new(NewRequest { facts: words::facts(row), message }))]).unwrap();
        let message = words::message(&mut *storage.reader().unwrap(), channel, 11);
        assert_eq!(message, Err(Missing::Gone));
    });
}
