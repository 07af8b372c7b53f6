//! Where a frame's time goes, for the panel's status line and the benchmark.

use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Names and durations of the stages of one frame, in the order in which they ended.
#[derive(Debug)]
pub(super) struct Stages {
    started: Instant,
    ended: Mutex<Vec<(&'static str, Duration)>>,
}

impl Stages {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            ended: Mutex::new(Vec::new()),
        }
    }

    /// Does `work` and remembers how long it took, stages within it aside: a frame's stages follow
    /// each other, so that what has ended meanwhile was within.
    pub(super) fn time<T>(&self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let (before, earlier) = (Instant::now(), self.ended.lock().len());
        let result = work();
        let whole = before.elapsed();
        let mut ended = self.ended.lock();
        let within: Duration = ended[earlier..].iter().map(|(_, time)| *time).sum();
        ended.push((name, whole.saturating_sub(within)));
        result
    }
}

impl fmt::Display for Stages {
    /// "104 ms: read 5.1, network 88.0, write 6.2"; stages of one name are added up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let mut sums: Vec<(&str, Duration)> = Vec::new();
        for &(name, time) in self.ended.lock().iter() {
            match sums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += time,
                None => sums.push((name, time)),
            }
        }
        write!(f, "{:.0} ms", milliseconds(self.started.elapsed()))?;
        for (index, (name, time)) in sums.iter().enumerate() {
            let joint = if index == 0 { ":" } else { "," };
            write!(f, "{joint} {name} {:.1}", milliseconds(*time))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_within_another_counts_once() {
        let stages = Stages::start();
        let sleep = |milliseconds| std::thread::sleep(Duration::from_millis(milliseconds));
        stages.time("network", || {
            stages.time("prepare", || sleep(30));
            sleep(10);
        });
        let ended = stages.ended.lock();
        let [("prepare", prepare), ("network", network)] = ended[..] else {
            panic!("{ended:?}");
        };
        assert!(prepare >= Duration::from_millis(30) && network >= Duration::from_millis(10));
        assert!(prepare + network <= stages.started.elapsed());
    }

    #[test]
    fn stages_of_one_name_are_one() {
        let stages = Stages::start();
        for name in ["read", "write", "read"] {
            stages.time(name, || ());
        }
        let line = stages.to_string();
        assert_eq!(line.matches("read").count(), 1, "{line}");
        assert!(line.contains(" ms: read "), "{line}");
    }
}
