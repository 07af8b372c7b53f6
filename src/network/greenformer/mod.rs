//! CorridorKey's own network, "GreenFormer": a Hiera encoder, two decoders and a refiner.
//!
//! Its official checkpoint holds weights only. Everything else is here, without any runtime: which
//! tensors there are, how the weights file of this project is laid out, and the network itself as
//! an ONNX graph, made for one picture size at a time.
//!
//! * [`import`]: from the checkpoint of its publisher to the weights file of this project.
//! * [`tensors`]: names and shapes of the checkpoint's tensors.
//! * [`weights`]: the weights file that an import leaves.
//! * [`graph`]: the network as an ONNX graph, whole or without its refiner.
//! * [`refiner`]: the refiner, computed here.
//! * [`plan`]: how much memory a session will need.

pub mod graph;
pub mod import;
pub mod plan;
pub mod refiner;
pub mod tensors;
pub mod weights;
