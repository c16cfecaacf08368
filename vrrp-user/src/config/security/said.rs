//! How does a problem with a program read among the others of a configuration.
use super::Problem;
use crate::config::diagnostic::{Diagnostic, Place, SourceFile};
use crate::config::source::Source;
use std::path::Path;
use std::sync::Arc;

impl Problem {
    /// As the loader would say it; the line is read again, for the model knows no more of it.
    pub fn diagnostic(&self, source: &dyn Source) -> Diagnostic {
        Diagnostic {
            severity: self.severity,
            code: self.code,
            message: self.message.clone(),
            place: self.place(source),
            label: None,
            related: Vec::new(),
            help: self.help.clone(),
            count: 1,
        }
    }

    fn place(&self, source: &dyn Source) -> Option<Place> {
        let text = source.read(Path::new(&*self.origin.file)).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let file = SourceFile::new(&self.origin.file, text, None);
        let line = file.line_range(self.origin.line);
        let written = file.text.get(line.clone())?;
        let indent = written.len() - written.trim_start().len();
        let start = u32::try_from(line.start + indent).ok()?;
        let end = u32::try_from(line.end).ok()?;
        (start < end).then(|| Place { file: Arc::new(file), start, end })
    }
}
