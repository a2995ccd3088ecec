use super::*;

fn filled(count: u32) -> Slots<u32> {
    let mut slots = Slots::default();
    for number in 0..count {
        assert_eq!(slots.insert(number), Slot(number));
    }
    slots
}

#[test]
fn what_is_put_in_is_there_until_it_is_taken_out() {
    let mut slots = filled(200);
    assert_eq!(slots.get(Slot(130)), Some(&130));
    *slots.get_mut(Slot(130)).unwrap() = 7;
    assert_eq!(slots.remove(Slot(130)), Some(7));
    assert_eq!(slots.get(Slot(130)), None);
    assert_eq!(slots.remove(Slot(130)), None);
    assert_eq!(slots.get(Slot(200)), None);
}

#[test]
fn the_lowest_number_that_is_free_is_given_first() {
    let mut slots = filled(200);
    for number in [150, 70, 3] {
        slots.remove(Slot(number));
    }
    let given: Vec<_> = (0..4).map(|value| slots.insert(value)).collect();
    assert_eq!(given, [Slot(3), Slot(70), Slot(150), Slot(200)]);
}

#[test]
fn they_are_gone_through_by_their_numbers() {
    let mut slots = filled(100);
    slots.remove(Slot(64));
    slots.insert(1_000);
    slots.remove(Slot(2));
    let expected: Vec<_> = (0..100).filter(|number| *number != 2).map(|it| if it == 64 { 1_000 } else { it }).collect();
    assert_eq!(slots.iter().copied().collect::<Vec<_>>(), expected);
}

#[test]
fn the_memory_of_an_empty_block_goes_back() {
    let mut slots = filled(1_000);
    for number in 64..128 {
        slots.remove(Slot(number));
    }
    assert_eq!(slots.blocks[1].places.capacity(), 0);
    for number in 128..1_000 {
        slots.remove(Slot(number));
    }
    assert_eq!(slots.blocks.len(), 1, "those behind the last that is taken are gone");
    assert!(slots.blocks.capacity() <= 4);
    assert_eq!(slots.insert(1), Slot(64));
    assert_eq!(slots.insert(2), Slot(65));
}
