//! `serve -k --hub`: what the user may say about it, and what the user is told.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use told::{Teller, in_words, total};

use super::options::PipeOptions;
use super::values;
use crate::bridge::Finish;
use crate::dump::Dump;
use crate::exit::Exit;
use crate::framing::{Form, Framing};
use crate::hub::{Event, Hears, Hub, OnSlow, Over, Terms, Totals, Wire};
use crate::os::{self, Mode, Sink, Source};
use crate::pipe::Listener;
use crate::progress::{Bar, Moving, Subject};
use crate::{interrupt, stderr};

mod told;

/// One server, many clients.
#[derive(Args, Debug)]
pub(crate) struct HubOptions {
    /// With -k: all clients at once. Each gets what stdin brings, stdout what any of them sends; with 'relay'
    /// the other clients get it too. Messages stay whole, or lines where there is no framing
    #[arg(long, value_name = "relay", num_args = 0..=1, require_equals = true, default_missing_value = "stdio",
          hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["stdio", "relay"]).map(|text| hears(&text)))]
    pub(crate) hub: Option<Hears>,

    /// With --hub, a client whose queue is full: misses messages, is disconnected, or all wait for it
    /// [default: drop]
    #[arg(long, value_name = "drop|disconnect|block", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["drop", "disconnect", "block"]).map(|text| on_slow(&text)))]
    on_slow: Option<OnSlow>,

    /// With --hub, how much may wait for each client, beside what the kernel holds [default: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    queue: Option<usize>,

    /// With --hub, '#CLIENT ' stands in front of each message on stdout, and says on stdin whom one is for
    /// ('#* ': for all)
    #[arg(long)]
    label: bool,
}

/// What may wait for a client unless told otherwise: some seconds of a busy log.
const QUEUE: usize = 1 << 20;

fn hears(text: &str) -> Hears {
    if text == "relay" { Hears::All } else { Hears::Stdin }
}

fn on_slow(text: &str) -> OnSlow {
    match text {
        "disconnect" => OnSlow::Disconnect,
        "block" => OnSlow::Block,
        _ => OnSlow::Drop,
    }
}

impl HubOptions {
    fn terms(&self, pipe: &PipeOptions, most_clients: Option<NonZeroUsize>, client_timeout: Option<Duration>) -> Terms {
        let (options, messages) = (&pipe.bridge, &pipe.bridge.messages);
        let rules = pipe.rules(true);
        let wire = match (pipe.meeting.mode, messages.framing.framing()) {
            (Some(Mode::Message), _) => Wire::Form(Form::Kept),
            (_, Some(framing)) => Wire::Form(Form::Framed(framing)),
            _ => Wire::Lines,
        };
        let stdio = match messages.stdio() {
            Form::Framed(Framing::Lines) if wire == Wire::Lines => Wire::Lines,
            form => Wire::Form(form),
        };
        Terms {
            hears: self.hub.unwrap_or(Hears::Stdin),
            labelled: self.label,
            on_slow: self.on_slow.unwrap_or(OnSlow::Drop),
            queue: self.queue.unwrap_or(QUEUE),
            most_clients,
            direction: options.direction(),
            passes_ends: rules.finish == Finish::Auto,
            wait: pipe.meeting.wait.limit(),
            idle_timeout: rules.idle_timeout,
            quit_after: rules.quit_after,
            client_timeout,
            wire,
            stdio,
            count: messages.count,
            largest: messages.framing.max_message,
            strips_bom: messages.strip_bom,
        }
    }

    /// Serves all clients until the hub is over or a signal ends pipetool.
    pub(crate) fn run(
        &self,
        pipe: &PipeOptions,
        listener: &Listener,
        most_clients: Option<NonZeroUsize>,
        client_timeout: Option<Duration>,
    ) -> Result<Exit> {
        os::raise_handle_limit();
        let options = &pipe.bridge;
        let terms = self.terms(pipe, most_clients, client_timeout);
        let dump = Dump::open(options.hex, options.log.as_deref())
            .with_context(|| format!("could not write to {}", options.log_name()))?;
        let totals = Arc::new(Totals::new());
        let summary = {
            let (totals, format, name) = (Arc::clone(&totals), options.connection.stats, pipe.meeting.pipe.to_string());
            move || total(&totals, format, &name)
        };
        let told_at_death = interrupt::at_death({
            let summary = summary.clone();
            move || os::try_say(&summary())
        });
        let bar = Bar::follow(Arc::clone(&totals.meter), Arc::new(Subject::new(Moving::Both, None)), options.progress);
        let teller = Teller::new(pipe, &terms, &dump);
        let tell = |event: Event<'_>| teller.tell(event);
        let ended = Hub::new(&terms, listener, (Source::stdin(), Sink::stdout()), &dump, &totals, &tell).run();
        drop((told_at_death, bar));
        stderr::show(&summary());
        teller.tell_of_log();
        match ended {
            Err(failure) => Err(in_words(failure, pipe)),
            Ok(_) if teller.log_failed.get() => Ok(Exit::Failed),
            Ok(Over::AllDelivered) => Ok(Exit::Done),
            Ok(Over::StdoutClosed) => Ok(Exit::StdoutClosed),
        }
    }
}
