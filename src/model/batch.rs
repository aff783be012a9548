//! What goes into a model, checked.

use crate::checkpoint::config::TransformerConfig;
use crate::error::{Error, Result};
use crate::mix::Mix;

/// Checks a batch before it reaches tensor code, which would panic (or, on a GPU, read zeros) on an index out of range.
/// Returns (B, T).
pub(super) fn check_batch(c: &TransformerConfig, tokens: &[u32], classes: &[Mix]) -> Result<(usize, usize)> {
    let bad = |problem: String| Err(Error::Request(problem));
    let batch = classes.len();
    if batch == 0 || !tokens.len().is_multiple_of(batch) || !(1..=c.tokens()).contains(&(tokens.len() / batch)) {
        return bad(format!(
            "{} tokens for {batch} images: every image needs the same number of tokens, 1 to {}",
            tokens.len(),
            c.tokens()
        ));
    }
    if let Some(token) = tokens.iter().find(|t| **t as usize >= c.vocab_size) {
        return bad(format!("token {token} does not exist: the codebook has entries 0 to {}", c.vocab_size - 1));
    }
    classes.iter().try_for_each(|class| class.check(c.num_classes))?;
    Ok((batch, tokens.len() / batch))
}
