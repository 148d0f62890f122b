//! What the functions of a pickled state dict would do: put dicts, tensors and storages together from plain data.
//! `torch/_utils.py`, and `persistent_load` in `torch/serialization.py`.

use super::machine::Machine;
use super::names::{Elements, Global};
use super::pickle::{Id, Node, StorageRef, TensorRef};
use crate::Result;

/// Dimensions of a tensor; torch itself stops here.
const MAX_RANK: usize = 64;
/// Letters of a storage's key, which is a number.
const MAX_KEY: usize = 256;

impl Machine<'_, '_> {
    /// `function(*arguments)`, for the functions that only rebuild data.
    pub(super) fn reduce(&mut self, function: Id, arguments: Id) -> Result<()> {
        let Node::Tuple(arguments) = self.node(arguments) else {
            return Err(self.wrong("a tuple of arguments", self.node(arguments).kind()));
        };
        let Node::Global(function) = self.node(function) else {
            return Err(self.wrong("a function's name", self.node(function).kind()));
        };
        let (function, arguments) = (*function, arguments.clone());
        self.spend(arguments.len() as u64)?;
        match (function, &arguments[..]) {
            (Global::OrderedDict, []) => self.push(Node::Dict(Vec::new())),
            (Global::OrderedDict, [pairs]) => self.ordered_dict(*pairs)?,
            (Global::Size, [sizes]) => self.stack.push(*sizes),
            (Global::RebuildParameter, [tensor, ..]) if matches!(self.node(*tensor), Node::Tensor(_)) => {
                self.stack.push(*tensor);
            }
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                self.tensor(*storage, *offset, *shape, *strides, None)?;
            }
            (Global::RebuildTensorV3, [storage, offset, shape, strides, _, _, dtype, ..]) => {
                let Node::Global(Global::Dtype(elements)) = *self.node(*dtype) else {
                    return Err(self.wrong("a dtype", self.node(*dtype).kind()));
                };
                self.tensor(*storage, *offset, *shape, *strides, Some(elements))?;
            }
            (function, arguments) => {
                let found = format!("{function:?} with {} of another kind or number", arguments.len());
                return Err(self.wrong("the arguments that torch.save writes", found));
            }
        }
        Ok(())
    }

    /// `OrderedDict([[key, value], ...])`, as Python 2 wrote it.
    fn ordered_dict(&mut self, pairs: Id) -> Result<()> {
        let Node::List(pairs) = self.node(pairs) else {
            return Err(self.wrong("a list of pairs", self.node(pairs).kind()));
        };
        let count = pairs.len() as u64;
        let pair = |id: &Id| match self.node(*id) {
            Node::List(pair) => <[Id; 2]>::try_from(&pair[..]).ok(),
            Node::Tuple(pair) => <[Id; 2]>::try_from(&pair[..]).ok(),
            _ => None,
        };
        let members: Option<Vec<(Id, Id)>> = pairs.iter().map(|id| pair(id).map(|[key, value]| (key, value))).collect();
        let members = members.ok_or_else(|| self.wrong("a list of pairs", "something else in it"))?;
        self.spend(count)?; // the list may stand in the memo and be copied many times
        self.push(Node::Dict(members));
        Ok(())
    }

    fn tensor(&mut self, storage: Id, offset: Id, shape: Id, strides: Id, dtype: Option<Elements>) -> Result<()> {
        let Node::Storage(storage) = *self.node(storage) else {
            return Err(self.wrong("a storage", self.node(storage).kind()));
        };
        let Some(elements) = dtype.or(self.storages[storage].elements) else {
            return Err(self.wrong("a type of elements", "an untyped storage"));
        };
        let offset = self.size(offset)?;
        let shape = self.sizes(shape)?;
        let strides = self.sizes(strides)?;
        if shape.len() != strides.len() {
            let found = format!("{} for {} dimensions", strides.len(), shape.len());
            return Err(self.wrong("a stride for each dimension", found));
        }
        let shape: Option<Vec<usize>> = shape.iter().map(|n| usize::try_from(*n).ok()).collect();
        let shape = shape.ok_or_else(|| self.wrong("a shape that fits into memory", "a larger one"))?;
        self.spend(4 * shape.len() as u64)?;
        self.push(Node::Tensor(self.tensors.len()));
        self.tensors.push(TensorRef { storage, elements, offset, shape, strides });
        Ok(())
    }

    fn size(&self, id: Id) -> Result<u64> {
        match self.node(id) {
            Node::Int(n) => u64::try_from(*n).map_err(|_| self.wrong("a size", format!("{n}"))),
            other => Err(self.wrong("a size", other.kind())),
        }
    }

    fn sizes(&self, id: Id) -> Result<Vec<u64>> {
        match self.node(id) {
            Node::Tuple(ids) if ids.len() <= MAX_RANK => ids.iter().map(|id| self.size(*id)).collect(),
            Node::Tuple(ids) => Err(self.wrong("at most 64 dimensions", format!("{}", ids.len()))),
            other => Err(self.wrong("a tuple of sizes", other.kind())),
        }
    }

    /// `('storage', type, key, location, count)`, before 1.6 with a sixth part, a view `(key, offset, count)` or None.
    pub(super) fn persistent(&mut self, id: Id) -> Result<()> {
        let wrong = |this: &Self| this.wrong("a storage's id ('storage', type, key, location, count)", "another");
        let Node::Tuple(parts) = self.node(id) else { return Err(wrong(self)) };
        let (kind, class, key, count, view) = match parts[..] {
            [kind, class, key, _, count] => (kind, class, key, count, None),
            [kind, class, key, _, count, view] => (kind, class, key, count, Some(view)),
            _ => return Err(wrong(self)),
        };
        let (Node::Str(kind), Node::Str(key)) = (self.node(kind), self.node(key)) else { return Err(wrong(self)) };
        let elements = match self.node(class) {
            Node::Global(Global::Storage(elements)) => Some(*elements),
            Node::Global(Global::UntypedStorage) => None,
            _ => return Err(wrong(self)),
        };
        if &**kind != "storage" || key.len() > MAX_KEY {
            return Err(wrong(self));
        }
        let key = key.to_string();
        let mut count = self.size(count)?;
        let mut offset = 0;
        match view.map(|view| self.node(view)) {
            None | Some(Node::None) => {}
            Some(Node::Tuple(view)) => {
                let [_, from, len] = view[..] else { return Err(wrong(self)) };
                (offset, count) = (self.size(from)?, self.size(len)?);
            }
            Some(_) => return Err(wrong(self)),
        }
        let storage = *self.keys.entry((key.clone(), offset)).or_insert(self.storages.len());
        match self.storages.get(storage) {
            None => self.storages.push(StorageRef { key, elements, count, offset }),
            Some(known) if (known.elements, known.count) == (elements, count) => {}
            Some(_) => return Err(self.wrong("one type and size for a storage", "two of them")),
        }
        self.push(Node::Storage(storage));
        Ok(())
    }
}
