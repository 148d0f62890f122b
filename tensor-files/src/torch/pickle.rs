//! What a pickle holds once it was read: plain data, and tensors as it describes them.

use super::names::{Elements, Global};

/// A value, by its place in [`Pickle::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) u32);

#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Str(Box<str>),
    Tuple(Box<[Id]>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// In [`Pickle::storages`].
    Storage(usize),
    /// In [`Pickle::tensors`].
    Tensor(usize),
    /// Data that no tensor needs: floats, bytes, sets, integers beyond 64 bits.
    Other,
}

impl Node {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an integer",
            Self::Str(_) => "text",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dict",
            Self::Global(_) => "a function or a class",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
            Self::Other => "a number, bytes or a set",
        }
    }
}

/// A storage as a pickle names it; its bytes are elsewhere.
#[derive(Debug)]
pub(super) struct StorageRef {
    pub(super) key: String,
    /// `None`: untyped.
    pub(super) elements: Option<Elements>,
    /// Elements, of an untyped one bytes.
    pub(super) count: u64,
    /// Of the storage with this key, the part from this element on (files before 1.6 alone).
    pub(super) offset: u64,
}

/// A tensor as a pickle describes it: numbers that nobody has checked yet.
#[derive(Debug)]
pub(super) struct TensorRef {
    /// In [`Pickle::storages`].
    pub(super) storage: usize,
    pub(super) elements: Elements,
    /// Elements before the first.
    pub(super) offset: u64,
    pub(super) shape: Vec<usize>,
    /// In elements.
    pub(super) strides: Vec<u64>,
}

/// A pickle that was read.
#[derive(Debug)]
pub(super) struct Pickle {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Id,
    pub(super) storages: Vec<StorageRef>,
    pub(super) tensors: Vec<TensorRef>,
}

impl Pickle {
    pub(super) fn root(&self) -> &Node {
        self.node(self.root)
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The value of a dict's member.
    pub(super) fn member(&self, dict: &Node, name: &str) -> Option<&Node> {
        let Node::Dict(pairs) = dict else { return None };
        let is_named = |id: Id| matches!(self.node(id), Node::Str(text) if **text == *name);
        pairs.iter().find(|(key, _)| is_named(*key)).map(|(_, value)| self.node(*value))
    }

    /// What the root is, in words.
    pub(super) fn kind(&self) -> &'static str {
        self.root().kind()
    }
}
