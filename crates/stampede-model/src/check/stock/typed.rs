//! One operation on a stock level in 64 bytes, so that a million of them fit beside what a check needs.

use crate::check::envelope::Spanned;
use crate::check::order::{Role, Versioned};

/// No version.
const NO_VERSION: i64 = i64::MIN;

/// What an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Available units become reserved ones.
    Reserve,
    /// Reserved units become available again.
    Release,
    /// Reserved units are shipped.
    Confirm,
    /// Units come in.
    Receive,
    /// Units are added or taken by a count.
    Adjust,
    /// A reservation ends by itself and its units become available again.
    Expire,
    /// The figures are looked at.
    Read,
}

/// How it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fate {
    /// It took effect.
    Done,
    /// Nobody knows.
    Unknown,
    /// There were too few units.
    Insufficient,
    /// The reservation was over.
    Gone,
}

/// One of the figures of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Units free to be reserved.
    Available,
    /// Units reserved.
    Reserved,
    /// Units shipped.
    Shipped,
    /// Units ever received, less those that a count took away.
    Received,
}

impl Figure {
    /// Every figure.
    pub const ALL: [Self; 4] = [Self::Available, Self::Reserved, Self::Shipped, Self::Received];

    /// Its name in sentences.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Reserved => "reserved",
            Self::Shipped => "shipped",
            Self::Received => "received",
        }
    }
}

/// Those figures that were shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures([i32; 4]);

impl Figures {
    /// None at all.
    pub const NONE: Self = Self([i32::MIN; 4]);

    /// One of them.
    pub fn get(&self, figure: Figure) -> Option<i64> {
        let shown = self.0[figure as usize];
        (shown != i32::MIN).then_some(i64::from(shown))
    }

    /// The same with one more; a figure that is too large to keep is as good as not shown.
    #[must_use]
    pub fn with(mut self, figure: Figure, value: i64) -> Self {
        self.0[figure as usize] = i32::try_from(value).unwrap_or(i32::MIN);
        self
    }
}

/// One operation on one level.
#[derive(Clone, Copy, Debug)]
pub struct StockOp {
    id: u64,
    call_ns: u64,
    end_ns: u64,
    version: i64,
    figures: Figures,
    units: i32,
    /// Which reservation, counted from 1 within a history; 0 when none is named.
    reservation: u32,
    kind: Kind,
    fate: Fate,
    /// What it does to the version, if its answer does not name one.
    bumps: Bumps,
}

/// What an update does to the version when it does not name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Bumps {
    /// It makes one: others of its kind name theirs.
    Surely,
    /// Nobody knows: no update of its kind names one.
    Perhaps,
}

const _: () = assert!(size_of::<StockOp>() <= 64);

impl StockOp {
    /// Most units of one operation.
    pub const MAX_UNITS: i64 = i32::MAX as i64;

    /// An operation of `units`, called and ended then; an end of `u64::MAX` is none.
    ///
    /// Units beyond [`Self::MAX_UNITS`] either way are cut to it: the reader of histories refuses them before.
    pub fn new(id: u64, kind: Kind, units: i64, (call_ns, end_ns): (u64, u64)) -> Self {
        Self {
            id,
            call_ns,
            end_ns,
            version: NO_VERSION,
            figures: Figures::NONE,
            units: units.clamp(-Self::MAX_UNITS, Self::MAX_UNITS) as i32,
            reservation: 0,
            kind,
            fate: Fate::Done,
            bumps: Bumps::Surely,
        }
    }

    /// With how it came out. An unknown outcome never ends.
    #[must_use]
    pub fn came_out(mut self, fate: Fate) -> Self {
        self.fate = fate;
        if fate == Fate::Unknown {
            self.end_ns = u64::MAX;
        }
        self
    }

    /// With the version that its answer names.
    #[must_use]
    pub fn at_version(mut self, version: Option<i64>) -> Self {
        self.version = version.unwrap_or(NO_VERSION);
        self
    }

    /// With the figures that its answer shows: those after it.
    #[must_use]
    pub fn showing(mut self, figures: Figures) -> Self {
        self.figures = figures;
        self
    }

    /// With the reservation it is about.
    #[must_use]
    pub fn about(mut self, reservation: u32) -> Self {
        self.reservation = reservation;
        self
    }

    /// Its id in the history.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// When it was called and when it had ended; `u64::MAX` when it never did.
    pub fn span(&self) -> (u64, u64) {
        (self.call_ns, self.end_ns)
    }

    /// What it asked for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How it came out.
    pub fn fate(&self) -> Fate {
        self.fate
    }

    /// How many units.
    pub fn units(&self) -> i64 {
        i64::from(self.units)
    }

    /// The version its answer names.
    pub fn version(&self) -> Option<i64> {
        (self.version != NO_VERSION).then_some(self.version)
    }

    /// The figures its answer shows.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Which reservation, if it names one.
    pub fn reservation(&self) -> Option<u32> {
        (self.reservation != 0).then_some(self.reservation)
    }

    /// What it adds to a figure when it takes effect.
    pub fn delta(&self, figure: Figure) -> i64 {
        let units = self.units();
        match (self.kind, figure) {
            (Kind::Reserve, Figure::Available) | (Kind::Release | Kind::Expire | Kind::Confirm, Figure::Reserved) => {
                -units
            }
            (Kind::Reserve, Figure::Reserved)
            | (Kind::Release | Kind::Expire, Figure::Available)
            | (Kind::Confirm, Figure::Shipped)
            | (Kind::Receive | Kind::Adjust, Figure::Available | Figure::Received) => units,
            _ => 0,
        }
    }

    /// Whether it asked for a change.
    pub fn is_update(&self) -> bool {
        self.kind != Kind::Read
    }

    /// Whether it surely changed something.
    pub fn is_done_update(&self) -> bool {
        self.is_update() && self.fate == Fate::Done
    }

    /// Whether it may or may not have changed something.
    pub fn is_open(&self) -> bool {
        self.is_update() && self.fate == Fate::Unknown
    }

    /// Whether it changes the state, if at all, without anybody having learned a version.
    pub(super) fn is_unnamed(&self) -> bool {
        self.is_open() || (self.is_done_update() && self.version().is_none())
    }

    pub(super) fn bumps(&self) -> Bumps {
        self.bumps
    }

    /// In a few words, for findings.
    pub(super) fn words(&self) -> String {
        let units = self.units();
        match self.kind {
            Kind::Reserve => format!("a reservation of {units}"),
            Kind::Release => format!("a release of {units}"),
            Kind::Confirm => format!("a confirmation of {units}"),
            Kind::Receive => format!("a receipt of {units}"),
            Kind::Adjust => format!("an adjustment by {units}"),
            Kind::Expire => format!("an expiry of {units}"),
            Kind::Read => "a read".to_owned(),
        }
    }
}

impl Spanned for StockOp {
    fn call_ns(&self) -> u64 {
        self.call_ns
    }

    fn end_ns(&self) -> u64 {
        self.end_ns
    }
}

impl Versioned for StockOp {
    fn id(&self) -> u64 {
        self.id
    }

    fn role(&self) -> Role {
        match (self.fate, self.version()) {
            (Fate::Done, Some(version)) if self.is_update() => Role::Update(version),
            (Fate::Done, Some(version)) => Role::Look(version),
            _ if self.is_unnamed() => Role::Filler,
            _ => Role::Other,
        }
    }
}

/// A line of the ledger, read after the run.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The id of the operation that read it.
    pub id: u64,
    /// The version that it made.
    pub version: i64,
    /// What it adds to the figures it shows.
    pub deltas: Figures,
}

/// Everything known of one level.
#[derive(Clone, Debug)]
pub struct Level {
    pub(super) key: String,
    pub(super) ops: Vec<StockOp>,
    pub(super) rows: Vec<Row>,
    pub(super) base: Figures,
    /// The version before the first update, when a read saw it.
    pub(super) base_version: Option<i64>,
}

impl Level {
    /// A level that had `initial` units when its history began; without, a read before the first update says so, else there
    /// were none. Nothing was reserved unless such a read says otherwise.
    pub fn new(key: impl Into<String>, initial: Option<i64>, mut ops: Vec<StockOp>, mut rows: Vec<Row>) -> Self {
        ops.sort_by_key(|op| (op.call_ns, op.id));
        rows.sort_by_key(|row| (row.version, row.id));
        let first_update_ns =
            ops.iter().filter(|op| op.is_update() && (op.is_done_update() || op.is_open())).map(|op| op.call_ns).min();
        let begins =
            ops.iter().filter(|op| op.kind == Kind::Read && first_update_ns.is_none_or(|first| op.end_ns < first));
        let first = begins.min_by_key(|op| op.end_ns).copied();
        let fresh = Figures::NONE.with(Figure::Available, initial.unwrap_or(0)).with(Figure::Reserved, 0);
        let base = match (&first, initial) {
            (Some(first), None) => first.figures,
            (Some(first), Some(initial)) => first.figures.with(Figure::Available, initial),
            (None, _) => fresh,
        };
        let base_version = first.and_then(|first| first.version());
        let mut level = Self { key: key.into(), ops, rows, base, base_version };
        level.mark_bumps();
        level
    }

    /// Its key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its operations, in the order of their calls.
    pub fn ops(&self) -> &[StockOp] {
        &self.ops
    }

    /// The figures before the first update, as far as they are known.
    pub fn base(&self) -> &Figures {
        &self.base
    }

    /// Of which kinds the answers name versions: the others may change the level without making one.
    fn mark_bumps(&mut self) {
        let mut names = [false; 7];
        for op in self.ops.iter().filter(|op| op.is_done_update() && op.version().is_some()) {
            names[op.kind as usize] = true;
        }
        for op in &mut self.ops {
            op.bumps = if names[op.kind as usize] { Bumps::Surely } else { Bumps::Perhaps };
        }
    }
}
