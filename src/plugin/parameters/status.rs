//! The group Status: what the node reports, and its buttons.

use super::ids::{
    HELP, OPEN_LOG, PURGE_CACHES, REFRESH_STATUS, STATUS_DEVICE, STATUS_MODEL, STATUS_READING,
    STATUS_SIZE, STATUS_TIME, WARM_UP,
};
use super::{Group, Kind, Parameter, parameter};

/// The group's parameters, in panel order.
pub(super) const PARAMETERS: &[Parameter] = &[
    parameter(
        STATUS_MODEL,
        "Model in use",
        "The model of the last render of this node.",
        Group::Status,
        Kind::Label,
    ),
    parameter(
        STATUS_DEVICE,
        "Device in use",
        "The device of the last render, and why the ones before it were passed over.",
        Group::Status,
        Kind::Label,
    ),
    parameter(
        STATUS_SIZE,
        "Network size",
        "The size at which the network saw the last frame.",
        Group::Status,
        Kind::Label,
    ),
    parameter(
        STATUS_TIME,
        "Last frame",
        "How long the last frame took.",
        Group::Status,
        Kind::Label,
    ),
    parameter(
        STATUS_READING,
        "Read as",
        "How the last frame was read: its encoding, the colour of its screen, and where the hint came from.",
        Group::Status,
        Kind::Label,
    ),
    parameter(
        REFRESH_STATUS,
        "Refresh Status",
        "Reads the five lines above anew.",
        Group::Status,
        Kind::Button,
    ),
    parameter(
        PURGE_CACHES,
        "Purge Caches",
        "Forgets every prediction and every idle network session, and gives their memory back.",
        Group::Status,
        Kind::Button,
    ),
    parameter(
        WARM_UP,
        "Warm Up",
        "Loads the model and prepares it for this plate's size, so that the first frame does not wait for it.",
        Group::Status,
        Kind::Button,
    ),
    parameter(
        OPEN_LOG,
        "Open Log Folder",
        "Shows the folder with the plug-in's log, or says where it is.",
        Group::Status,
        Kind::Button,
    ),
    parameter(
        HELP,
        "Help",
        "Shows the help page in the browser, or says where it is.",
        Group::Status,
        Kind::Button,
    ),
];
