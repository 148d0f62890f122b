//! When ranks are allocated, and how many: the budget b(t).
//!
//! Zhang et al. 2023 (ICLR, arXiv 2303.10512), section 3.3, as PEFT and the authors' code compute it:
//!
//! ```text
//!        b(0)                                                        t ≤ t_i              warm-up
//! b(t) = b(T) + (b(0) − b(T)) · (1 − (t − t_i)/(T − t_f − t_i))³     t_i < t ≤ T − t_f    reduction
//!        b(T)                                                        t > T − t_f          final phase
//! ```
//!
//! T: total_step, t_i: tinit, t_f: tfinal. Steps are counted from 0, and b(t) is rounded down.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Fewer allocations than this are no adaptive budget, and training refuses them.
pub(crate) const LEAST_ALLOCATIONS: usize = 3;

/// The reduction phase is cut into at most this many allocations by [`Schedule::for_steps`].
const MOST_ALLOCATIONS: usize = 100;

/// The schedule of AdaLoRA, under PEFT's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Steps of warm-up, in which every triplet is kept. PEFT's default 0.
    #[serde(default)]
    pub tinit: usize,
    /// Steps at the end, in which the ranks are fixed. PEFT's default 0; training needs at least 1.
    #[serde(default)]
    pub tfinal: usize,
    /// Between warm-up and final phase, ranks are allocated at each step that this divides. PEFT's default 1.
    #[serde(default = "one", rename = "deltaT")]
    pub delta_t: usize,
    /// Steps of the whole run.
    pub total_step: usize,
}

/// Where in the schedule a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Every triplet is kept; importance is gathered.
    WarmUp,
    /// The budget falls.
    Reduction,
    /// The ranks are fixed.
    Final,
}

impl Schedule {
    /// A schedule for a run of `total_step` steps: a tenth of warm-up, three tenths of final phase, and between them
    /// an allocation at each step, or about a hundred of them in a long run.
    ///
    /// ```
    /// use peft_adalora::Schedule;
    /// let schedule = Schedule::for_steps(7485)?;
    /// assert_eq!((schedule.tinit, schedule.tfinal, schedule.delta_t), (748, 2245, 45));
    /// assert_eq!(schedule.allocations().count(), 101);
    /// assert!(Schedule::for_steps(3).is_err());
    /// # Ok::<(), peft_adalora::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooShort`] below four steps, in which there is no room for three allocations.
    pub fn for_steps(total_step: usize) -> Result<Self> {
        let needed = LEAST_ALLOCATIONS + 1;
        if total_step < needed {
            return Err(Error::TooShort { total_step, needed, least: LEAST_ALLOCATIONS });
        }
        let tinit = total_step / 10;
        let tfinal = (total_step.saturating_mul(3) / 10).max(1);
        let delta_t = ((total_step - tinit - tfinal).div_ceil(MOST_ALLOCATIONS)).max(1);
        let schedule = Schedule { tinit, tfinal, delta_t, total_step };
        schedule.check_firings()?;
        Ok(schedule)
    }

    /// The step of the last allocation, T − t_f; from then on the ranks are fixed.
    pub fn last_allocation(&self) -> usize {
        self.total_step.saturating_sub(self.tfinal)
    }

    /// Where `step` is.
    pub fn phase(&self, step: usize) -> Phase {
        if step <= self.tinit {
            Phase::WarmUp
        } else if step <= self.last_allocation() {
            Phase::Reduction
        } else {
            Phase::Final
        }
    }

    /// b(t): how many triplets may stay at `step`, of `initial` at the start and `target` at the end.
    pub fn budget(&self, step: usize, initial: usize, target: usize) -> usize {
        match self.phase(step) {
            Phase::WarmUp => initial,
            Phase::Final => target,
            Phase::Reduction => {
                let length = self.last_allocation() - self.tinit; // > 0: step is above tinit and not above the end
                let left = 1.0 - (step - self.tinit) as f64 / length as f64;
                ((initial as f64 - target as f64) * left.powf(3.0) + target as f64) as usize // towards 0, as Python's int
            }
        }
    }

    /// True if ranks are allocated at `step`.
    pub fn allocates_at(&self, step: usize) -> bool {
        step == self.last_allocation()
            || (self.phase(step) == Phase::Reduction && step.checked_rem(self.delta_t) == Some(0))
    }

    /// The steps of the run at which ranks are allocated.
    pub fn allocations(&self) -> impl Iterator<Item = usize> {
        let schedule = *self;
        let last = self.last_allocation();
        let first = (self.tinit / self.delta_t.max(1) + 1).saturating_mul(self.delta_t.max(1));
        let regular = (first..last).step_by(self.delta_t.max(1));
        regular.chain([last]).filter(move |step| *step < schedule.total_step)
    }

    /// Fails unless a run under this schedule allocates ranks often enough, and to the end.
    ///
    /// # Errors
    /// [`Error::Peft`] about a schedule that has no reduction phase, [`Error::NoFinalPhase`],
    /// [`Error::TooFewAllocations`].
    pub fn check_for_training(&self) -> Result<()> {
        self.check()?;
        if self.tfinal == 0 {
            return Err(Error::NoFinalPhase { total_step: self.total_step });
        }
        self.check_firings()
    }

    fn check_firings(&self) -> Result<()> {
        let firings = self.allocations().count();
        if firings < LEAST_ALLOCATIONS {
            return Err(Error::TooFewAllocations { schedule: *self, firings, least: LEAST_ALLOCATIONS });
        }
        Ok(())
    }

    /// What PEFT refuses too.
    pub(crate) fn check(&self) -> peft_core::Result<()> {
        let config = |field: &str, value: usize, reason: String| peft_core::Error::config(field, value, reason);
        if self.total_step == 0 {
            return Err(config("total_step", 0, "must be at least 1".into()));
        }
        if self.delta_t == 0 {
            return Err(config("deltaT", 0, "must be at least 1".into()));
        }
        if self.tfinal >= self.total_step || self.tinit >= self.total_step - self.tfinal {
            let reason = format!(
                "with tfinal {} of total_step {} no step is left in which the budget could fall",
                self.tfinal, self.total_step
            );
            return Err(config("tinit", self.tinit, reason));
        }
        Ok(())
    }
}

fn one() -> usize {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixtures_budgets() {
        let schedule = Schedule { tinit: 3, tfinal: 5, delta_t: 2, total_step: 20 };
        let of = |initial, target| (0..20).map(|t| schedule.budget(t, initial, target)).collect::<Vec<_>>();
        assert_eq!(of(36, 12), [36, 36, 36, 36, 30, 25, 22, 19, 16, 15, 13, 12, 12, 12, 12, 12, 12, 12, 12, 12]);
        assert_eq!(of(90, 30), [90, 90, 90, 90, 76, 64, 55, 47, 41, 37, 34, 32, 30, 30, 30, 30, 30, 30, 30, 30]);
        assert_eq!(schedule.allocations().collect::<Vec<_>>(), [4, 6, 8, 10, 12, 14, 15]);
    }

    /// PEFT's `budget_schedule` over the same grid:
    ///
    /// ```python
    /// total = 0
    /// for T in range(5, 200, 13):
    ///     for ti in range(0, T // 3):
    ///         for tf in range(1, T // 3):
    ///             for init, target in ((36, 12), (97, 40), (864, 576), (12, 12)):
    ///                 a.init_bgt, a.target_bgt = init, target
    ///                 config.tinit, config.tfinal, config.total_step = ti, tf, T
    ///                 total += sum(a.budget_schedule(t)[0] * (t % 7 + 1) for t in range(T))
    /// ```
    #[test]
    fn budgets_are_peft_s() {
        let mut total = 0;
        for total_step in (5..200).step_by(13) {
            for tinit in 0..total_step / 3 {
                for tfinal in 1..total_step / 3 {
                    let schedule = Schedule { tinit, tfinal, delta_t: 1, total_step };
                    for (initial, target) in [(36, 12), (97, 40), (864, 576), (12, 12)] {
                        let weighted = (0..total_step).map(|t| schedule.budget(t, initial, target) * (t % 7 + 1));
                        total += weighted.sum::<usize>();
                    }
                }
            }
        }
        assert_eq!(total, 8_733_162_033);
    }

    #[test]
    fn the_steps_of_allocations_are_those_that_allocate() {
        for total_step in 1..60 {
            for tinit in 0..12 {
                for tfinal in 0..12 {
                    for delta_t in 1..9 {
                        let schedule = Schedule { tinit, tfinal, delta_t, total_step };
                        if schedule.check().is_ok() {
                            let listed: Vec<usize> = schedule.allocations().collect();
                            let asked: Vec<usize> = (0..total_step).filter(|t| schedule.allocates_at(*t)).collect();
                            assert_eq!(listed, asked, "{schedule:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn derived_schedules_allocate_to_the_end() {
        for total_step in (4..3000).chain([10_000, 123_456, 1_000_000]) {
            let schedule = Schedule::for_steps(total_step).unwrap();
            schedule.check_for_training().unwrap();
            let firings = schedule.allocations().count();
            assert!((3..=MOST_ALLOCATIONS + 1).contains(&firings), "{schedule:?}: {firings}");
            assert_eq!(schedule.allocations().last(), Some(schedule.last_allocation()));
        }
        assert!(matches!(Schedule::for_steps(3), Err(Error::TooShort { needed: 4, .. })));
    }

    #[test]
    fn schedules_that_do_nothing_are_refused_with_their_numbers() {
        let lingo = Schedule { tinit: 200, tfinal: 200, delta_t: 5000, total_step: 7485 };
        let message = lingo.check_for_training().unwrap_err().to_string();
        assert!(message.starts_with("the rank allocator would fire 2 times in 7485 steps"), "{message}");
        assert!(message.contains("deltaT 5000"), "{message}");
        let short = Schedule { total_step: 3000, ..lingo };
        assert!(matches!(short.check_for_training(), Err(Error::TooFewAllocations { firings: 1, .. })));
        let endless = Schedule { tinit: 0, tfinal: 0, delta_t: 1, total_step: 9 };
        assert!(matches!(endless.check_for_training(), Err(Error::NoFinalPhase { total_step: 9 })));
        let field = |schedule: Schedule| match schedule.check_for_training() {
            Err(Error::Peft(peft_core::Error::Config { field, .. })) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(Schedule { tinit: 9, ..endless }), "tinit");
        assert_eq!(field(Schedule { tfinal: 9, ..endless }), "tinit");
        assert_eq!(field(Schedule { total_step: 0, ..endless }), "total_step");
        assert_eq!(field(Schedule { delta_t: 0, ..endless }), "deltaT");
    }
}
