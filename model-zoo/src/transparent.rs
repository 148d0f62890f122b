//! Enums of modules that leave no trace in parameter paths (Burn's derive puts the variant's name there).

/// Implements `Module` and its display for an enum of one-field variants by passing every call on.
macro_rules! transparent_module {
    ($name:ident { $($variant:ident),+ $(,)? }) => {
        impl burn::module::Module for $name {
            fn collect_devices(&self, devices: burn::module::Devices) -> burn::module::Devices {
                match self { $(Self::$variant(m) => m.collect_devices(devices)),+ }
            }
            fn fork(self, device: &burn::tensor::Device) -> Self {
                match self { $(Self::$variant(m) => Self::$variant(m.fork(device))),+ }
            }
            fn to_device(self, device: &burn::tensor::Device) -> Self {
                match self { $(Self::$variant(m) => Self::$variant(m.to_device(device))),+ }
            }
            fn visit<V: burn::module::ModuleVisitor>(&self, visitor: &mut V) {
                match self { $(Self::$variant(m) => m.visit(visitor)),+ }
            }
            fn map<M: burn::module::ModuleMapper>(self, mapper: &mut M) -> Self {
                match self { $(Self::$variant(m) => Self::$variant(m.map(mapper))),+ }
            }
            fn valid(&self) -> Self {
                match self { $(Self::$variant(m) => Self::$variant(m.valid())),+ }
            }
            fn train(self) -> Self {
                match self { $(Self::$variant(m) => Self::$variant(m.train())),+ }
            }
            fn materialize(self) -> Self {
                match self { $(Self::$variant(m) => Self::$variant(m.materialize())),+ }
            }
        }
        impl burn::module::ModuleDisplayDefault for $name {
            fn content(&self, content: burn::module::Content) -> Option<burn::module::Content> {
                match self { $(Self::$variant(m) => m.content(content)),+ }
            }
            fn num_params(&self) -> usize {
                match self { $(Self::$variant(m) => burn::module::Module::num_params(m)),+ }
            }
        }
        impl burn::module::ModuleDisplay for $name {}
    };
}
pub(crate) use transparent_module;
