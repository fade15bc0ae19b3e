//! Which cluster is meant. In: `--kubeconfig`, `--context`, `$KUBECONFIG` or `~/.kube/config`; in a pod, its service account. Out:
//! a configuration, or a sentence that names what is missing. Nothing is sent.

use std::{io::ErrorKind, path::PathBuf};

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use crate::{args::Common, cluster::causes, error::Failure};

/// The cluster that is meant.
///
/// # Errors
/// [`Failure::Usage`] when nothing says where it is.
pub(crate) async fn config(common: &Common) -> Result<Config, Failure> {
    let (file, from) = match &common.kubeconfig {
        Some(path) => (
            Kubeconfig::read_from(path),
            format!("--kubeconfig {}", path.display()),
        ),
        None => (standard(), "the kubeconfig".to_owned()),
    };
    let file = match file {
        Ok(file) if !file.contexts.is_empty() || !file.clusters.is_empty() => file,
        Ok(_) if common.kubeconfig.is_none() && common.context.is_none() => return in_cluster(),
        Err(KubeconfigError::FindPath)
            if common.kubeconfig.is_none() && common.context.is_none() =>
        {
            return in_cluster();
        }
        Ok(_) => {
            return Err(Failure::Usage(format!(
                "{from} names no cluster: write another file"
            )));
        }
        Err(error) => {
            return Err(Failure::Usage(format!(
                "{from} cannot be read: {}",
                causes(&error)
            )));
        }
    };
    let contexts: Vec<&str> = file
        .contexts
        .iter()
        .map(|context| context.name.as_str())
        .collect();
    if let Some(wanted) = &common.context
        && !contexts.contains(&wanted.as_str())
    {
        return Err(Failure::Usage(format!(
            "--context is `{wanted}`: {from} has {}",
            contexts.join(", ")
        )));
    }
    let options = KubeConfigOptions {
        context: common.context.clone(),
        ..KubeConfigOptions::default()
    };
    let none = contexts.join(", ");
    Config::from_custom_kubeconfig(file, &options)
        .await
        .map_err(|error| {
            Failure::Usage(format!(
                "{from} cannot be used: {}; its contexts are: {none}",
                causes(&error)
            ))
        })
}

/// Those files of `$KUBECONFIG`, or else `~/.kube/config`, that are there, as one; the first to name something decides what it
/// is. Of those that are not there nothing is said, as kubectl does.
fn standard() -> Result<Kubeconfig, KubeconfigError> {
    let listed = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
    let files: Vec<PathBuf> = match listed {
        Some(listed) => std::env::split_paths(&listed)
            .filter(|path| !path.as_os_str().is_empty())
            .collect(),
        None => vec![
            std::env::home_dir()
                .ok_or(KubeconfigError::FindPath)?
                .join(".kube/config"),
        ],
    };
    merged(&files)
}

fn merged(files: &[PathBuf]) -> Result<Kubeconfig, KubeconfigError> {
    let mut all = Kubeconfig::default();
    for file in files {
        match Kubeconfig::read_from(file) {
            Ok(next) => all = all.merge(next)?,
            Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// In a pod there is no kubeconfig, but a service account.
fn in_cluster() -> Result<Config, Failure> {
    Config::incluster().map_err(|_| {
        let none = match std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
            Some(set) => format!(
                "$KUBECONFIG is `{}`, and there is no such file",
                set.display()
            ),
            None => "there is no kubeconfig, neither $KUBECONFIG nor ~/.kube/config".to_owned(),
        };
        Failure::Usage(format!("{none}: set KUBECONFIG or write --kubeconfig FILE"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_kubeconfigs_those_are_read_that_are_there() {
        let folder =
            std::env::temp_dir().join(format!("kubectl-cgp-kubeconfigs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a directory");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("it can be written");
            path
        };
        let context = |name: &str| {
            format!("contexts: [{{name: {name}, context: {{cluster: c, user: u}}}}]\n")
        };
        let (a, b) = (write("a", &context("a")), write("b", &context("b")));
        let names = |files: &[PathBuf]| {
            let all = merged(files).map(|all| {
                all.contexts
                    .into_iter()
                    .map(|context| context.name)
                    .collect::<Vec<_>>()
            });
            all.map_err(|error| error.to_string())
        };
        assert_eq!(
            names(&[folder.join("none"), b.clone(), a]),
            Ok(vec!["b".to_owned(), "a".to_owned()])
        );
        assert_eq!(names(&[folder.join("none")]), Ok(vec![]));
        assert!(
            names(&[write("broken", "{"), b.clone()]).is_err(),
            "what is there has to be one"
        );
        assert!(
            names(&[folder.clone(), b]).is_err(),
            "a directory cannot be read"
        );
        std::fs::remove_dir_all(folder).expect("it is ours");
    }
}
