//! Kubeconfig of the command. In: `--kubeconfig`, `--context`, `$KUBECONFIG` or `~/.kube/config`; in a pod, its service account.
//! Out: a client configuration, or a failure that names the missing file or context. Sends nothing.

use std::{io::ErrorKind, path::PathBuf};

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use crate::{args::Common, cluster::causes, error::Failure};

/// Loads the client configuration.
///
/// # Errors
/// [`Failure::Usage`] when no file or service account names a cluster.
pub(crate) async fn load_config(common: &Common) -> Result<Config, Failure> {
    let (file, from) = match &common.kubeconfig {
        Some(path) => (
            Kubeconfig::read_from(path),
            format!("--kubeconfig {}", path.display()),
        ),
        None => (default_kubeconfig(), "the kubeconfig".to_owned()),
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
                "{from} has no clusters and no contexts: use another file"
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
            "--context `{wanted}` does not exist: {from} has {}",
            contexts.join(", ")
        )));
    }
    let options = KubeConfigOptions {
        context: common.context.clone(),
        ..KubeConfigOptions::default()
    };
    let names = contexts.join(", ");
    Config::from_custom_kubeconfig(file, &options)
        .await
        .map_err(|error| {
            Failure::Usage(format!(
                "{from} cannot be used: {}; its contexts: {names}",
                causes(&error)
            ))
        })
}

/// Merges the files of `$KUBECONFIG`, or reads `~/.kube/config`; the first file that defines a name wins. Missing files are
/// skipped without a warning, as kubectl does.
fn default_kubeconfig() -> Result<Kubeconfig, KubeconfigError> {
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
    merge_files(&files)
}

fn merge_files(files: &[PathBuf]) -> Result<Kubeconfig, KubeconfigError> {
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

/// Configuration from the service account of the pod, which has no kubeconfig.
fn in_cluster() -> Result<Config, Failure> {
    Config::incluster().map_err(|_| {
        let missing = match std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
            Some(set) => format!("$KUBECONFIG is `{}`: no such file", set.display()),
            None => "no kubeconfig found: $KUBECONFIG is not set and ~/.kube/config does not exist"
                .to_owned(),
        };
        Failure::Usage(format!("{missing}; set KUBECONFIG or --kubeconfig FILE"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_kubeconfig_files_are_merged_and_missing_ones_skipped() {
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
            let all = merge_files(files).map(|all| {
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
            "an existing file must be a kubeconfig"
        );
        assert!(
            names(&[folder.clone(), b]).is_err(),
            "a directory cannot be read"
        );
        std::fs::remove_dir_all(folder).expect("it is ours");
    }
}
