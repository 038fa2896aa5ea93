//! One way of a connection that carries messages: what is wrong with one is put into the user's words, and
//! each is shown to whoever looks on.

use crate::framing::{Problem, Translator};
use crate::os::{Show, Translate};

/// A translator between two sides that have names.
pub(crate) struct Messenger<'a> {
    translator: Translator,
    show: Option<&'a Show<'a>>,
    input: String,
    output: String,
}

impl<'a> Messenger<'a> {
    pub(crate) fn new(translator: Translator, show: Option<&'a Show<'a>>, input: &str, output: &str) -> Self {
        Messenger { translator, show, input: input.to_owned(), output: output.to_owned() }
    }

    /// What was taken and has not gone whole.
    pub(crate) fn into_unsent(self) -> Translator {
        let mut translator = self.translator;
        translator.rewind();
        translator
    }

    /// Can nothing more be made of what it is given?
    pub(crate) fn is_stuck(&self) -> bool {
        self.translator.is_stuck()
    }

    /// Messages so far.
    pub(crate) fn count(&self) -> u64 {
        self.translator.count()
    }

    fn told(&mut self, result: Result<(), Problem>) -> Result<(), String> {
        while let Some(message) = self.translator.take_seen() {
            if let Some(show) = self.show {
                show(&message);
            }
        }
        result.map_err(|problem| match problem {
            Problem::Input(_) => format!("could not read from '{}': {problem}", self.input),
            Problem::Output(..) => format!("could not write to '{}': {problem}", self.output),
        })
    }
}

impl Translate for Messenger<'_> {
    fn push(&mut self, taken: &[u8]) -> Result<(), String> {
        let result = self.translator.push(taken);
        self.told(result)
    }

    fn resume(&mut self) -> Result<(), String> {
        let result = self.translator.resume();
        self.told(result)
    }

    fn finish(&mut self) -> Result<(), String> {
        let result = self.translator.finish();
        self.told(result)
    }

    fn pending(&self) -> Option<&[u8]> {
        self.translator.pending()
    }

    fn undelivered(&self) -> usize {
        self.translator.undelivered()
    }

    fn delivered(&mut self, count: usize) {
        self.translator.delivered(count);
    }

    fn has_enough(&self) -> bool {
        self.translator.has_enough()
    }

    fn largest(&self) -> usize {
        self.translator.largest()
    }
}
