use super::*;

/// Spread over all bits.
fn hash_of(slot: Slot) -> u64 {
    u64::from(slot.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn find(index: &Index, number: u32) -> Option<Slot> {
    index.find(hash_of(Slot(number)), |slot| slot == Slot(number))
}

fn insert(index: &mut Index, numbers: std::ops::Range<u32>) {
    for slot in numbers.map(Slot) {
        index.insert(hash_of(slot), slot, hash_of);
    }
}

fn remove(index: &mut Index, numbers: std::ops::Range<u32>) {
    for slot in numbers.map(Slot) {
        index.remove(hash_of(slot), slot, hash_of);
    }
}

#[test]
fn what_is_put_in_is_found_until_it_is_taken_out() {
    let mut index = Index::default();
    insert(&mut index, 0..10);
    remove(&mut index, 5..6);
    let found: Vec<_> = (0..11).filter(|number| find(&index, *number).is_some()).collect();
    assert_eq!(found, [0, 1, 2, 3, 4, 6, 7, 8, 9]);
    remove(&mut index, 5..6);
    assert_eq!(index.len(), 9, "it was taken out once");
}

#[test]
fn of_slots_with_the_same_hash_each_is_found() {
    let mut index = Index::default();
    for number in 0..3 {
        index.insert(7, Slot(number), |_| 7);
    }
    index.remove(7, Slot(1), |_| 7);
    let found = |number| index.find(7, |slot| slot == Slot(number));
    assert_eq!([found(0), found(1), found(2)], [Some(Slot(0)), None, Some(Slot(2))]);
}

#[test]
fn where_room_was_made_no_table_is_laid_out_anew() {
    let count = 4 * LARGE as u32;
    let mut index = Index::default();
    insert(&mut index, 0..10);
    index.reserve(count as usize, hash_of);
    let capacities = |index: &Index| index.tables.iter().map(HashTable::capacity).collect::<Vec<_>>();
    let before = capacities(&index);
    insert(&mut index, 10..count);
    assert_eq!(capacities(&index), before);
    assert!((0..count).all(|number| find(&index, number) == Some(Slot(number))));
}

#[test]
fn a_large_index_is_many_small_tables_and_goes_back_to_one() {
    let count = 4 * LARGE as u32;
    let mut index = Index::default();
    insert(&mut index, 0..count);
    assert!((0..count).all(|number| find(&index, number) == Some(Slot(number))));
    let largest = index.tables.iter().map(HashTable::capacity).max().unwrap();
    assert!(largest <= LARGE / 16, "one table has room for {largest}");
    remove(&mut index, 100..count);
    assert!((0..100).all(|number| find(&index, number) == Some(Slot(number))));
    assert_eq!((index.len(), index.tables.len()), (100, 1));
    assert!(index.tables[0].capacity() <= LARGE / 4, "its memory goes back");
}
