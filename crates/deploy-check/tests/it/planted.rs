//! Each planted mistake is found, and named so that it can be put right.

use std::fs;
use std::path::Path;

use deploy_check::check;

use crate::programs::{Documents, root};

/// Where, what is replaced by what, and words of the finding that must come of it.
struct Mistake {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    found: &'static [&'static str],
}

const API: &str = "deploy/base/api.yaml";
const WORKER: &str = "deploy/base/worker.yaml";
const SCALING: &str = "deploy/base/api-scaling.yaml";
const SERVICE: &str = "deploy/base/api-service.yaml";
const NETWORK: &str = "deploy/base/network.yaml";
const BASE: &str = "deploy/base/kustomization.yaml";
const PRODUCTION: &str = "deploy/overlays/production/kustomization.yaml";
const KEDA: &str = "deploy/components/keda/scaled-object.yaml";
const RULES: &str = "deploy/components/monitoring/rules.yaml";
const LOAD_TEST: &str = ".github/workflows/load-test.yml";

const IN_OBJECTS: &[Mistake] = &[
    // Fields and kinds.
    Mistake {
        file: API,
        from: "readinessProbe:",
        to: "redinessProbe:",
        found: &["redinessProbe is no field", "Deployment kv-erp-api"],
    },
    Mistake {
        file: API,
        from: "periodSeconds: 2",
        to: "periodSeconds: soon",
        found: &["Deployment kv-erp-api", "soon"],
    },
    Mistake { file: SCALING, from: "policy/v1", to: "policy/v1beta1", found: &["policy/v1beta1 is not known"] },
    // Labels and selectors.
    Mistake {
        file: API,
        from: "    metadata:\n      labels:\n        app: kv-erp-api",
        to: "    metadata:\n      labels:\n        app: kv-erp",
        found: &["does not select its own pods"],
    },
    Mistake {
        file: SERVICE,
        from: "  selector:\n    app: kv-erp-api",
        to: "  selector:\n    app: kv-api",
        found: &["Service kv-erp-api", "selects no pods"],
    },
    Mistake {
        file: NETWORK,
        from: "      app: kv-erp-queue-worker\n  policyTypes",
        to: "      app: worker\n  policyTypes",
        found: &["NetworkPolicy kv-erp-queue-worker", "selects no pods"],
    },
    // Ports and probes.
    Mistake { file: API, from: "containerPort: 8080", to: "containerPort: 8000", found: &["KV_LISTEN says port 8080"] },
    Mistake { file: SERVICE, from: "targetPort: http", to: "targetPort: web", found: &["port web is no port"] },
    Mistake { file: API, from: "path: /readyz", to: "path: /ready", found: &["does not answer /ready"] },
    Mistake { file: WORKER, from: "path: /readyz", to: "path: /healthz", found: &["readinessProbe asks /healthz"] },
    Mistake {
        file: BASE,
        from: "KV_LISTEN=0.0.0.0:8080",
        to: "KV_LISTEN=127.0.0.1:8080",
        found: &["KV_LISTEN is on loopback"],
    },
    Mistake { file: SERVICE, from: "path: /api", to: "path: /", found: &["shows /metrics to the outside"] },
];

const IN_VALUES: &[Mistake] = &[
    // Settings.
    Mistake { file: BASE, from: "KV_POOL_SIZE=8", to: "KV_POOL_SIZ=8", found: &["KV_POOL_SIZ is no variable"] },
    Mistake { file: BASE, from: "KV_POOL_SIZE=8", to: "KV_POOL_SIZE=many", found: &["would not start"] },
    Mistake {
        file: API,
        from: "name: kv-erp-settings",
        to: "name: kv-erp-setting",
        found: &["there is no ConfigMap kv-erp-setting"],
    },
    // Secrets.
    Mistake { file: API, from: "key: token", to: "key: tokn", found: &["Secret kv-erp-platform with key tokn"] },
    Mistake {
        file: WORKER,
        from: "            - name: KV_REDIS_URL\n              valueFrom:\n                secretKeyRef:\n                  name: kv-erp-redis\n                  key: url",
        to: "            - name: KV_REDIS_URL\n              value: redis://:hunter2@redis:6379",
        found: &["KV_REDIS_URL has a secret's value"],
    },
    Mistake {
        file: "deploy/base/service-account.yaml",
        from: "kind: ServiceAccount",
        to: "kind: Secret",
        found: &["does not belong into a repository"],
    },
    // Numbers.
    Mistake {
        file: SCALING,
        from: "maxReplicas: 8",
        to: "maxReplicas: 10",
        found: &["are not the acceptance table's 3 and 8"],
    },
    Mistake { file: BASE, from: "KV_REPLICAS=8", to: "KV_REPLICAS=3", found: &["KV_REPLICAS is 3"] },
    Mistake {
        file: KEDA,
        from: "listName: queue:default",
        to: "listName: queue:defaults",
        found: &["queue:defaults is none of the lists"],
    },
    Mistake {
        file: API,
        from: "terminationGracePeriodSeconds: 30",
        to: "terminationGracePeriodSeconds: 20",
        found: &["ending in good order takes 20 s"],
    },
    Mistake {
        file: BASE,
        from: "KV_JOB_GRACE_MS=20000",
        to: "KV_JOB_GRACE_MS=60000",
        found: &["kv-erp-queue-worker", "ending in good order takes 63 s"],
    },
];

const IN_RIGHTS_AND_FILES: &[Mistake] = &[
    // Rights.
    Mistake {
        file: API,
        from: "readOnlyRootFilesystem: true",
        to: "readOnlyRootFilesystem: false",
        found: &["readOnlyRootFilesystem is not true"],
    },
    Mistake { file: API, from: "runAsNonRoot: true", to: "runAsNonRoot: false", found: &["runAsNonRoot is not true"] },
    Mistake {
        file: WORKER,
        from: "drop: [\"ALL\"]",
        to: "drop: [\"NET_RAW\"]",
        found: &["capabilities.drop is not [ALL]"],
    },
    Mistake {
        file: WORKER,
        from: "              memory: 512Mi",
        to: "              ephemeral-storage: 512Mi",
        found: &["resources.limits.memory is missing"],
    },
    // Images.
    Mistake { file: API, from: "image: kv-erp", to: "image: kverp", found: &["is none that deploy/Dockerfile makes"] },
    Mistake { file: PRODUCTION, from: "newTag: \"0.1.0\"", to: "newTag: latest", found: &["has no tag that stays"] },
    Mistake {
        file: PRODUCTION,
        from: "newTag: \"0.1.0\"",
        to: "newTag: \"0.2.0\"",
        found: &["production/migrate", "but the pods are"],
    },
    // Kustomizations.
    Mistake {
        file: PRODUCTION,
        from: "name: kv-erp-api\n    patch",
        to: "name: kv-erp-web\n    patch",
        found: &["aimed at Ingress kv-erp-web"],
    },
    Mistake { file: BASE, from: "configMapGenerator:", to: "configMapGenerators:", found: &["configMapGenerators"] },
    // Metrics.
    Mistake {
        file: RULES,
        from: "increase(kv_pool_timeouts_total[5m])",
        to: "increase(kv_pool_timeout_total[5m])",
        found: &["nobody has a metric kv_pool_timeout_total", "KvErpPoolTimeouts"],
    },
    Mistake {
        file: "deploy/components/monitoring/kv-erp.json",
        from: "kv_queue_leased",
        to: "kv_queue_lease",
        found: &["nobody has a metric kv_queue_lease", "Leased"],
    },
    // Workflows.
    Mistake { file: LOAD_TEST, from: "--force", to: "--replace", found: &["stampede baseline save has no --replace"] },
    Mistake { file: LOAD_TEST, from: "script/bootstrap", to: "script/prepare", found: &["there is no script/prepare"] },
    Mistake {
        file: LOAD_TEST,
        from: "@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0",
        to: "@v5",
        found: &["is not pinned to a commit"],
    },
    Mistake {
        file: LOAD_TEST,
        from: "--host \"$HOST\"",
        to: "--host ${{ inputs.host }}",
        found: &["its value could be a command"],
    },
    Mistake {
        file: LOAD_TEST,
        from: "permissions:\n  contents: read",
        to: "permissions: write-all",
        found: &["are not `contents: read` alone"],
    },
    Mistake { file: LOAD_TEST, from: "timeout-minutes: 60", to: "timeout-minute: 60", found: &["timeout-minute"] },
];

#[test]
fn mistakes_in_objects_are_found_and_named() {
    all_are_found(IN_OBJECTS);
}

#[test]
fn mistakes_in_values_are_found_and_named() {
    all_are_found(IN_VALUES);
}

#[test]
fn mistakes_in_rights_images_rules_and_workflows_are_found_and_named() {
    all_are_found(IN_RIGHTS_AND_FILES);
}

fn all_are_found(mistakes: &[Mistake]) {
    for mistake in mistakes {
        let copy = tempfile::tempdir().unwrap();
        copy_tree(copy.path());
        let file = copy.path().join(mistake.file);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(mistake.from), "{} does not have {:?} any more", mistake.file, mistake.from);
        fs::write(&file, text.replacen(mistake.from, mistake.to, 1)).unwrap();
        let findings: Vec<String> = match check(copy.path(), &Documents) {
            Ok(checked) => checked.findings.iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string()],
        };
        let is_named = findings.iter().any(|finding| mistake.found.iter().all(|word| finding.contains(word)));
        assert!(is_named, "{} -> {}: {findings:#?}", mistake.from, mistake.to);
    }
}

/// What a check reads, and nothing else.
fn copy_tree(to: &Path) {
    for part in ["deploy", ".github", "scenarios", "script"] {
        copy(&root().join(part), &to.join(part));
    }
    for file in [
        "docs/kubernetes.md",
        "docs/metrics.md",
        "openapi/kv-erp.json",
        "crates/kv-erp/src/serve.rs",
        "crates/kv-erp/src/worker/mod.rs",
    ] {
        fs::create_dir_all(to.join(file).parent().unwrap()).unwrap();
        fs::copy(root().join(file), to.join(file)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
