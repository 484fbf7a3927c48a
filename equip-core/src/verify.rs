//! stand-in
use crate::marshal::ObjectId;
use crate::pyc::PycFile;
/// A complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Function.
    pub qualname: String,
    /// Text.
    pub message: String,
}
impl Complaint {
    /// Of a file.
    pub fn file(message: String) -> Self {
        Complaint {
            qualname: String::new(),
            message,
        }
    }
}
impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.qualname, self.message)
    }
}
/// Judges.
pub fn verify(pyc: &PycFile<'_>, codes: &[ObjectId]) -> Vec<Complaint> {
    let mut out = Vec::new();
    for id in codes {
        let Some(code) = pyc.objects.code(*id) else {
            continue;
        };
        let qualname = code.qualname(&pyc.objects).into_owned();
        match crate::body::decode(pyc.isa, &pyc.objects, code).and_then(|b| crate::body::depths(&b))
        {
            Ok(d) if d.max > code.stacksize => out.push(Complaint {
                qualname,
                message: format!("stack {} > {}", d.max, code.stacksize),
            }),
            Ok(_) => {}
            Err(e) => out.push(Complaint {
                qualname,
                message: e.to_string(),
            }),
        }
    }
    out
}
