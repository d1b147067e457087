//! Preinst scripts that the node has to run on its first boot.

/// A preinst script that could not be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preinst {
    /// Its file in `/var/lib/dpkg/info`.
    pub script: String,
    /// The package.
    pub package: String,
    /// Its architecture.
    pub architecture: String,
    /// The arguments that dpkg passes: `install`, `install OLD NEW`, or `upgrade OLD NEW`
    /// (deb-preinst(5)).
    pub arguments: String,
}

impl Preinst {
    /// Returns the line that the first boot reads: the four fields with tabs between them.
    pub fn line(&self) -> String {
        format!(
            "{}\t{}\t{}\t{}\n",
            self.script, self.package, self.architecture, self.arguments
        )
    }
}
