//! Tokens of deployments that speak OpenAI's protocol.

wire! {
    /// What callers sent and got, as the server counts in `usage`.
    #[derive(Default)]
    pub struct TokenTraffic {
        /// The last hour by minute, oldest first; minutes without counted answers are left out.
        pub minutes: Vec<TokenMinute>,
        /// Of the deployment's whole life, the one with most tokens first.
        pub callers: Vec<CallerTokens>,
        /// Of all callers.
        pub total: TokenCounts,
        /// From the request to the first token of a stream, in the last hour.
        pub first_token_p50_ms: Option<f64>,
        pub first_token_p95_ms: Option<f64>,
    }

    #[derive(Copy, Default, Eq)]
    pub struct TokenCounts {
        /// Answers in which something was counted.
        pub answers: u64,
        pub prompt: u64,
        pub completion: u64,
        /// Parts of streams for which the server sent no count: about as many tokens of completions, on top of those.
        pub estimated: u64,
    }

    pub struct TokenMinute {
        /// Start of the minute.
        pub at: i64,
        pub tokens: TokenCounts,
        pub first_token_p50_ms: Option<f64>,
        pub first_token_p95_ms: Option<f64>,
    }

    pub struct CallerTokens {
        /// The user's name.
        pub caller: String,
        pub tokens: TokenCounts,
    }
}

impl TokenCounts {
    /// Adds the other's.
    pub fn add(&mut self, other: &Self) {
        self.answers += other.answers;
        self.prompt += other.prompt;
        self.completion += other.completion;
        self.estimated += other.estimated;
    }

    /// Of every kind.
    pub fn all(&self) -> u64 {
        self.prompt + self.completion + self.estimated
    }
}
