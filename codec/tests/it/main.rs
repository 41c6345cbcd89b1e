//! What the codec promises, checked against independent implementations and hostile input.

mod decode;
mod oracle;
mod support;
