//! Which known name an unknown one was probably meant to be.

/// The nearest of `names` to `to`, if it is near enough to be a slip.
pub(crate) fn nearest<'a>(to: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (to.len() / 3).clamp(1, 8);
    let near = names.map(|name| (distance(name, to), name)).filter(|(distance, _)| *distance <= most);
    near.min().map(|(_, name)| name)
}

/// How many letters have to be changed, added, left out or swapped with their neighbour to come from one to the other.
pub(crate) fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let mut rows = vec![(0..=to.len()).collect::<Vec<usize>>()];
    for (row, letter) in from.iter().enumerate() {
        let above = &rows[row];
        let mut current = vec![row + 1];
        for (column, wanted) in to.iter().enumerate() {
            let changed = above[column] + usize::from(letter != wanted);
            let mut least = changed.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *letter == to[column - 1] && from[row - 1] == *wanted {
                least = least.min(rows[row - 1][column - 1] + 1);
            }
            current.push(least);
        }
        rows.push(current);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_pair_is_one_mistake() {
        assert_eq!(distance("paitent", "patient"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn only_what_is_near_was_meant() {
        assert_eq!(nearest("leese", ["lease", "retention"].into_iter()), Some("lease"));
        assert_eq!(nearest("weather", ["lease", "retention"].into_iter()), None);
    }
}
