//! Ids that are used beside the table: of what is read by itself, greyed out, filled or pressed.

/// Id of the distance from the edge at which Source Detail begins.
pub const DETAIL_SHRINK: &str = "detailShrink";
/// Id of the width over which it fades in.
pub const DETAIL_FEATHER: &str = "detailFeather";
/// Id of the number that says how much neighbouring frames count.
pub const STABILISE: &str = "stabilise";
/// Id of the choice where the screen's colour is known from.
pub const SCREEN_MEASURE: &str = "screenMeasure";
/// Id of the screen's picked colour.
pub const SCREEN_PICK: &str = "screenPick";
/// Id of the button that stores the screen's colour.
pub const ANALYSE_SCREEN: &str = "analyseScreen";
/// Id of the button that makes the first frame fast.
pub const WARM_UP: &str = "warmUp";
/// Id of the button that shows the folder of the log.
pub const OPEN_LOG: &str = "openLog";
/// Id of the button that shows the help.
pub const HELP: &str = "help";
/// Id of the label that names the model.
pub const STATUS_MODEL: &str = "statusModel";
/// Id of the label that names the device.
pub const STATUS_DEVICE: &str = "statusDevice";
/// Id of the label that gives the network size.
pub const STATUS_SIZE: &str = "statusSize";
/// Id of the label that gives the last frame's time.
pub const STATUS_TIME: &str = "statusTime";
/// Id of the label that says how plate and hint were read.
pub const STATUS_READING: &str = "statusReading";
/// Id of the button that refreshes the labels.
pub const REFRESH_STATUS: &str = "refreshStatus";
/// Id of the button that empties the caches.
pub const PURGE_CACHES: &str = "purgeCaches";
