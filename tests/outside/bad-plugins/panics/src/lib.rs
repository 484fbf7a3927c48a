//! Panics where it is told to.
#![warn(missing_docs)]

use equip_plugin_api::prelude::*;

/// Where to panic; by default nowhere.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Told {
    /// While it reads its options.
    pub configure: bool,
    /// While it is cloned for a module.
    pub start: bool,
    /// While it visits the function of that qualname.
    pub function: Option<String>,
    /// At the end of a module.
    pub finish: bool,
    /// While it is dropped.
    pub drop: bool,
    /// With a payload that panics too when it is dropped.
    pub payload: bool,
}

/// The plugin.
pub struct Panics(Told);

/// What is thrown if `payload` is set.
struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        panic!("cannot drop the payload");
    }
}

impl Told {
    fn boom(&self, place: &str) -> ! {
        if self.payload {
            std::panic::panic_any(Payload);
        }
        panic!("cannot {place}");
    }
}

impl Clone for Panics {
    fn clone(&self) -> Self {
        if self.0.start {
            self.0.boom("start");
        }
        Panics(self.0.clone())
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        if self.0.drop && !std::thread::panicking() {
            self.0.boom("drop");
        }
    }
}

impl Plugin for Panics {
    fn configure(options: Options<'_>) -> Result<Self> {
        let told: Told = options.parse()?;
        if told.configure {
            told.boom("configure");
        }
        Ok(Panics(told))
    }

    fn finish(&mut self, _module: &Module<'_>, _edits: &mut Edits<'_>) -> Result<String> {
        if self.0.finish {
            self.0.boom("finish");
        }
        Ok(String::new())
    }
}

impl MethodVisitor for Panics {
    fn visit_method(&mut self, method: &Method<'_>, _edits: &mut Edits<'_>) -> Result {
        if self.0.function.as_deref() == Some(method.qualname()) {
            self.0.boom(&format!("visit {}", method.qualname()));
        }
        Ok(())
    }
}

export_plugin!(Panics: MethodVisitor, about = "panics where it is told to");
