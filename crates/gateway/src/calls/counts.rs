//! What a call took: as its provider counts, and by an estimate where that says nothing.

use lyceum_llm::Usage;

/// What is known of a call's tokens so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// About what came of the answer.
    pub(super) came: Usage,
    /// The provider's own count so far.
    told: Option<Usage>,
    /// Whether the provider ended its answer.
    is_whole: bool,
    /// What the call took whatever is counted, and whether that is an estimate.
    fixed: Option<(Usage, bool)>,
}

impl Counts {
    /// The provider's count. It replaces an earlier one, unless it says nothing.
    pub(super) fn tell(&mut self, usage: Option<Usage>) {
        let says_something = |usage: &Usage| usage.total_tokens() > 0;
        self.told = usage.filter(says_something).or(self.told).or(usage);
    }

    /// The provider ended its answer, and counts this if anything.
    pub(super) fn end(&mut self, usage: Option<Usage>) {
        self.tell(usage);
        self.is_whole = true;
    }

    /// The call took just this.
    pub(super) fn fix(&mut self, usage: Usage, is_estimated: bool) {
        self.fixed = Some((usage, is_estimated));
    }

    /// What the call took, and whether any of it is an estimate. Some servers have a place for counts
    /// and nothing in it, so a count of 0 is believed only where there was nothing to count. Others
    /// count while they answer: of half an answer that may lag behind what came. `prompt` estimates
    /// the prompt.
    pub(super) fn settle(&self, prompt: impl FnOnce() -> u64) -> (Usage, bool) {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let mut usage = self.told.unwrap_or_default();
        let mut is_estimated = !self.is_whole || self.told.is_none();
        if usage.prompt_tokens == 0 {
            usage.prompt_tokens = prompt();
            is_estimated |= usage.prompt_tokens > 0;
        }
        if !self.is_whole || usage.completion_tokens == 0 {
            usage.completion_tokens = usage.completion_tokens.max(self.came.completion_tokens);
            usage.reasoning_tokens = usage.reasoning_tokens.max(self.came.reasoning_tokens);
            is_estimated |= usage.completion_tokens > 0;
        }
        (usage.bounded(), is_estimated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
        Usage { prompt_tokens, completion_tokens, ..Usage::default() }
    }

    /// Of an answer of about so many tokens that is whole.
    fn whole(said: u64, told: Option<Usage>) -> Counts {
        Counts { came: usage(0, said), told, is_whole: true, fixed: None }
    }

    /// Of a prompt of about 9 tokens: prompt, completion, and whether they are an estimate.
    fn settled(counts: &Counts) -> (u64, u64, bool) {
        let (usage, is_estimated) = counts.settle(|| 9);
        (usage.prompt_tokens, usage.completion_tokens, is_estimated)
    }

    #[test]
    fn a_count_of_nothing_is_believed_only_where_nothing_was_said() {
        for (told, said, expected) in [
            (Some(usage(7, 5)), 6, (7, 5, false)),
            (Some(usage(0, 0)), 6, (9, 6, true)),
            (None, 6, (9, 6, true)),
            // An answer without words, and vectors.
            (Some(usage(7, 0)), 0, (7, 0, false)),
            (Some(usage(7, 0)), 6, (7, 6, true)),
            (Some(usage(0, 5)), 6, (9, 5, true)),
            (Some(usage(0, 0)), 0, (9, 0, true)),
        ] {
            assert_eq!(settled(&whole(said, told)), expected, "{told:?}, {said} said");
        }
        assert_eq!(whole(0, Some(usage(0, 0))).settle(|| 0), (usage(0, 0), false));
    }

    #[test]
    fn of_half_an_answer_the_greater_count_is_taken() {
        for (told, said, expected) in [
            (None, 6, (9, 6, true)),
            // Of the beginning, and of more than is seen.
            (Some(usage(7, 1)), 6, (7, 6, true)),
            (Some(usage(7, 8)), 6, (7, 8, true)),
            (Some(usage(0, 0)), 6, (9, 6, true)),
            (Some(usage(7, 0)), 0, (7, 0, true)),
        ] {
            let counts = Counts { is_whole: false, ..whole(said, told) };
            assert_eq!(settled(&counts), expected, "{told:?}, {said} said");
        }
    }

    #[test]
    fn a_count_of_nothing_replaces_no_other() {
        let mut counts = whole(0, None);
        for (told, expected) in [
            (Some(usage(0, 0)), (9, 0, true)),
            (Some(usage(7, 2)), (7, 2, false)),
            (Some(usage(7, 5)), (7, 5, false)),
            (Some(usage(0, 0)), (7, 5, false)),
            (None, (7, 5, false)),
        ] {
            counts.tell(told);
            assert_eq!(settled(&counts), expected, "{told:?}");
        }
    }

    #[test]
    fn thinking_is_estimated_with_the_answer_that_it_is_part_of() {
        let came = Usage { reasoning_tokens: 4, ..usage(0, 6) };
        for (told, reasoning) in [(usage(7, 0), 4), (usage(7, 5), 0)] {
            let counts = Counts { came, ..whole(0, Some(told)) };
            assert_eq!(counts.settle(|| 9).0.reasoning_tokens, reasoning, "{told:?}");
        }
    }

    #[test]
    fn what_is_fixed_stands_whatever_was_counted() {
        let mut counts = whole(6, Some(usage(7, 5)));
        counts.fix(usage(0, 0), false);
        assert_eq!(settled(&counts), (0, 0, false));
        counts.fix(usage(3, 0), true);
        assert_eq!(settled(&counts), (3, 0, true));
    }
}
