//! The documentation page comes out of the binary, whole, and asks nobody else for anything.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use tower::ServiceExt as _;

use crate::world::World;

async fn load(world: &World, path: &str) -> (u16, String, String) {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let answer = world.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let kind = parts.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status.as_u16(), kind, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn the_page_and_all_it_needs_is_in_the_binary() {
    let world = World::new().await;
    let (status, kind, page) = load(&world, "/docs/").await;
    assert_eq!((status, kind.as_str()), (200, "text/html"));
    let wanted = regex::Regex::new(r#"(?:src|href)="([^"]+)""#).unwrap();
    let mut files = 0;
    for [file] in wanted.captures_iter(&page).map(|found| found.extract().1) {
        assert!(!file.contains("//"), "{file} is somewhere else");
        let (status, kind, text) = load(&world, &format!("/docs/{}", file.trim_start_matches("./"))).await;
        assert_eq!(status, 200, "{file} {kind}");
        assert!(!text.is_empty(), "{file}");
        files += 1;
    }
    assert!(files >= 4, "only {files} files in {page}");
    let (_, _, start) = load(&world, "/docs/swagger-initializer.js").await;
    assert!(start.contains("/openapi.json"), "{start}");
}

#[tokio::test]
async fn what_is_no_part_of_the_page_is_not_found() {
    let world = World::new().await;
    assert_eq!(load(&world, "/docs").await.0, 308);
    let (status, kind, _) = load(&world, "/docs/nothing.js").await;
    assert_eq!((status, kind.as_str()), (404, "application/problem+json"));
}
