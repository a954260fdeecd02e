//! The description of the API, OpenAPI 3.1: a file that a test compares with the routes.

use crate::routes::Reply;
use axum::body::Body;
use http::Response;

const DOCUMENT: &str = include_str!("openapi.json");

pub(crate) async fn get_document() -> Reply {
    Response::new(Body::from(DOCUMENT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::endpoints;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    fn operations(document: &Value) -> Vec<(String, String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        let of_path = |(path, methods): (&String, _)| {
            let methods: &serde_json::Map<String, Value> = Value::as_object(methods).unwrap();
            methods
                .iter()
                .map(|(method, operation)| (path.clone(), method.to_uppercase(), operation))
                .collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    #[test]
    fn every_endpoint_is_described_and_nothing_else_is() {
        let document = document();
        let described: BTreeSet<(String, String)> =
            operations(&document).into_iter().map(|(path, method, _)| (path, method)).collect();
        // `{*path}` is how the router writes a path of several segments.
        let served: BTreeSet<(String, String)> = endpoints()
            .into_iter()
            .map(|(method, path, _)| (path.replace("{*path}", "{path}"), method.to_string()))
            .collect();
        assert_eq!(described, served);
    }

    #[test]
    fn references_lead_somewhere_and_operations_have_names_of_their_own() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let text = DOCUMENT.to_owned();
        let references: BTreeSet<&str> =
            text.split("\"$ref\": \"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(references.len() > 30);
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
        let all = operations(&document);
        let names: BTreeSet<&str> = all.iter().map(|(_, _, o)| o["operationId"].as_str().unwrap()).collect();
        assert_eq!(names.len(), all.len());
        for (path, method, operation) in &all {
            let named: Vec<_> = operation["parameters"].as_array().into_iter().flatten().collect();
            let placeholders = path.matches('{').count();
            let resolved = named.iter().map(|p| document.pointer(&p["$ref"].as_str().unwrap()[1..]).unwrap());
            assert_eq!(resolved.filter(|p| p["in"] == "path").count(), placeholders, "{method} {path}");
        }
    }
}
