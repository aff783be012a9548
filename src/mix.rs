//! What a picture is asked to show, as data: a weighted mean of rows of the class table.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One thing of a [`Mix`], written `[weight, class]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f64, usize)", into = "(f64, usize)")]
pub struct Term {
    /// Its part, as it was asked for: finite, not negative. Parts need not sum to 1.
    pub weight: f64,
    /// Its row of the class table.
    pub class: usize,
}

impl From<(f64, usize)> for Term {
    fn from((weight, class): (f64, usize)) -> Self {
        Self { weight, class }
    }
}

impl From<Term> for (f64, usize) {
    fn from(term: Term) -> Self {
        (term.weight, term.class)
    }
}

/// One class, or several mixed. The class row of a run is the weighted mean of their rows; the null row of guidance stays
/// as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Term>", into = "Vec<Term>")]
pub struct Mix(Vec<Term>);

impl Mix {
    /// A single class.
    pub fn of(class: usize) -> Self {
        Self(vec![Term { weight: 1.0, class }])
    }

    /// Several. The weight of a single one says nothing and becomes 1.
    ///
    /// # Errors
    /// [`Error::Request`] where there is none, or where the weights are negative, not finite, or add up to nothing.
    pub fn new(mut terms: Vec<Term>) -> Result<Self> {
        if let Some(term) = terms.iter().find(|t| t.weight < 0.0 || t.weight.is_nan()) {
            return Err(Error::Request(format!("a weight of {} is none: weights are 0 or more", term.weight)));
        }
        let total: f64 = terms.iter().map(|t| t.weight).sum();
        if !(total > 0.0 && total.is_finite()) {
            return Err(Error::Request(format!("weights that add up to {total} mix nothing")));
        }
        if let [one] = terms.as_mut_slice() {
            one.weight = 1.0;
        }
        Ok(Self(terms))
    }

    /// Its terms, at least one, as they were asked for.
    pub fn terms(&self) -> &[Term] {
        &self.0
    }

    /// The class, where it is a single one.
    pub fn single(&self) -> Option<usize> {
        if let [one] = self.0.as_slice() { Some(one.class) } else { None }
    }

    /// The heaviest class, the first of equals.
    pub fn heaviest(&self) -> usize {
        let mut best = self.0[0]; // there is always one
        for term in &self.0[1..] {
            if term.weight > best.weight {
                best = *term;
            }
        }
        best.class
    }

    /// Each term's share of the whole (they sum to 1) and its class.
    pub fn shares(&self) -> impl Iterator<Item = (f64, usize)> {
        let total: f64 = self.0.iter().map(|t| t.weight).sum();
        self.0.iter().map(move |t| (t.weight / total, t.class))
    }

    /// The weighted mean of rows of `width` numbers of a class table. (width)
    pub fn row(&self, table: &[f32], width: usize) -> Vec<f32> {
        let mut mean = vec![0.0f64; width];
        for (share, class) in self.shares() {
            let row = &table[class * width..(class + 1) * width];
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += share * f64::from(*value));
        }
        // A single class has a share of exactly 1: its row comes out bit for bit.
        mean.into_iter().map(|sum| sum as f32).collect()
    }

    /// Refuses a class that a model of `num_classes` does not have; `num_classes` itself is the null class.
    ///
    /// # Errors
    /// [`Error::Request`] naming it.
    pub fn check(&self, num_classes: usize) -> Result<()> {
        let Some(term) = self.0.iter().find(|t| t.class > num_classes) else { return Ok(()) };
        let last = num_classes.saturating_sub(1);
        Err(Error::Request(format!("class {} does not exist: this model has 0 to {last}", term.class)))
    }
}

impl From<usize> for Mix {
    fn from(class: usize) -> Self {
        Self::of(class)
    }
}

impl TryFrom<Vec<Term>> for Mix {
    type Error = Error;

    fn try_from(terms: Vec<Term>) -> Result<Self> {
        Self::new(terms)
    }
}

impl From<Mix> for Vec<Term> {
    fn from(mix: Mix) -> Self {
        mix.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(terms: &[(f64, usize)]) -> Result<Mix> {
        Mix::new(terms.iter().map(|t| Term::from(*t)).collect())
    }

    #[test]
    fn rows_are_weighted_means_and_a_single_one_is_itself() {
        let table = [0.1f32, -0.0, 3.0, 1.0, 5.0, -2.0]; // three rows of two
        assert_eq!(Mix::of(0).row(&table, 2), [0.1, 0.0]);
        assert_eq!(mix(&[(0.25, 1)]).unwrap(), Mix::of(1), "the weight of a single one says nothing");
        assert_eq!(mix(&[(3.0, 1), (1.0, 2), (0.0, 0)]).unwrap().row(&table, 2), [3.5, 0.25]);
        let both = mix(&[(1.0, 2), (1.0, 2)]).unwrap();
        assert_eq!((both.row(&table, 2), both.heaviest(), both.single()), (vec![5.0, -2.0], 2, None));
        assert_eq!(mix(&[(1.0, 0), (2.0, 1), (2.0, 2)]).unwrap().heaviest(), 1);
    }

    #[test]
    fn what_mixes_nothing_is_refused() {
        for terms in [&[][..], &[(0.0, 1), (0.0, 2)], &[(-1.0, 1), (2.0, 2)], &[(f64::NAN, 1)], &[(f64::INFINITY, 1)]] {
            assert!(mix(terms).is_err(), "{terms:?}");
        }
        assert!(mix(&[(1.0, 3), (1.0, 9)]).unwrap().check(9).is_ok(), "the null class is one");
        assert!(mix(&[(1.0, 3), (1.0, 9)]).unwrap().check(8).unwrap_err().to_string().contains("class 9"));
    }

    #[test]
    fn as_json_it_is_a_list_of_pairs_and_checked() {
        let two = mix(&[(0.7, 3), (0.3, 5)]).unwrap();
        let json = serde_json::to_string(&two).unwrap();
        assert_eq!(json, "[[0.7,3],[0.3,5]]");
        assert_eq!(serde_json::from_str::<Mix>(&json).unwrap(), two);
        for bad in ["[]", "[[0.0,1]]", "[[-1.0,1],[2.0,2]]", "3"] {
            assert!(serde_json::from_str::<Mix>(bad).is_err(), "{bad}");
        }
    }
}
