//! Which known name an unknown one was probably meant to be.

/// The nearest of `names` to `to`, if it is near enough to be a slip.
pub(super) fn nearest<'a>(to: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (to.len() / 3).clamp(1, 8);
    names
        .filter(|name| name.len().abs_diff(to.len()) <= most)
        .map(|name| (distance(to.as_bytes(), name.as_bytes()), name))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

/// How many bytes have to be put in, left out, changed or swapped with the next one.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        let names = ["patient_summary_request", "billing", "lab_results"];
        assert_eq!(nearest("paitent_summary_request", names.into_iter()), Some("patient_summary_request"));
        assert_eq!(nearest("biling", names.into_iter()), Some("billing"));
        assert_eq!(nearest("weather", names.into_iter()), None);
    }

    #[test]
    fn a_swap_is_one_step() {
        assert_eq!(distance(b"paitent", b"patient"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"abc", b"abc"), 0);
    }
}
