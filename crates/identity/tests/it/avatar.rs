use std::io::Cursor;

use http::Method;
use image::{DynamicImage, ImageFormat, RgbaImage};

use crate::app::{App, id};

const PATH: &str = "/api/v1/me/avatar";

fn picture(format: ImageFormat) -> Vec<u8> {
    let picture = RgbaImage::from_fn(320, 200, |x, y| image::Rgba([x as u8, y as u8, 90, 255]));
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgba8(picture).to_rgb8().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn a_picture_is_made_anew_and_served_to_everybody() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let me = id(&root.get("/api/v1/me").await.expect(200));
    let mut upload = picture(ImageFormat::Jpeg);
    upload.extend_from_slice(b"<script>alert(1)</script>");
    let first = root.upload(PATH, upload).await.expect(200);
    let first = first["avatar_url"].as_str().unwrap().to_owned();
    assert_eq!(root.get("/api/v1/me").await.expect(200)["avatar_url"], first.as_str());
    let user = root.get(&format!("/api/v1/users/{me}")).await.expect(200);
    assert_eq!(user["avatar_url"], first.as_str());

    let seen = app.visitor().get(&first).await;
    assert_eq!(seen.status, 200);
    assert_eq!(seen.headers["content-type"], "image/webp");
    assert_eq!(seen.headers["x-content-type-options"], "nosniff");
    assert_eq!(seen.headers["cache-control"], "public, max-age=31536000, immutable");
    assert!(!seen.bytes.windows(7).any(|part| part == b"<script"));
    let read = image::load_from_memory_with_format(&seen.bytes, ImageFormat::WebP).unwrap();
    assert_eq!((read.width(), read.height()), (256, 256));

    let second = root.upload(PATH, picture(ImageFormat::Png)).await.expect(200);
    let second = second["avatar_url"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    app.visitor().get(&first).await.refused(404, "not_found");
    assert_eq!(app.objects.list("avatars").await.unwrap().len(), 1);
    root.delete(PATH).await.expect(204);
    app.visitor().get(&second).await.refused(404, "not_found");
    assert!(root.get("/api/v1/me").await.expect(200)["avatar_url"].is_null());
    assert!(app.objects.list("avatars").await.unwrap().is_empty());
    root.delete(PATH).await.expect(204);
    app.visitor().get("/api/v1/avatars/x/y").await.refused(404, "not_found");
}

#[tokio::test]
async fn what_is_no_picture_is_refused_and_the_present_one_stays() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    root.upload(PATH, picture(ImageFormat::WebP)).await.expect(200);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec();
    root.upload(PATH, svg).await.refused(415, "picture_unsupported");
    root.upload(PATH, Vec::new()).await.refused(415, "picture_unsupported");
    let mut bitmap = Cursor::new(b"BM".to_vec());
    bitmap.get_mut().resize(100, 0);
    root.upload(PATH, bitmap.into_inner()).await.refused(415, "picture_unsupported");
    let cut = picture(ImageFormat::Png)[..80].to_vec();
    root.upload(PATH, cut).await.refused(422, "picture_damaged");
    let mut bomb = Cursor::new(Vec::new());
    RgbaImage::new(6_000, 5_000).write_to(&mut bomb, ImageFormat::Png).unwrap();
    let bomb = bomb.into_inner();
    assert!(bomb.len() < 1_000_000, "{} bytes", bomb.len());
    root.upload(PATH, bomb).await.refused(422, "picture_too_large");
    root.upload(PATH, vec![0; 5_000_001]).await.refused(413, "file_too_large");
    assert_eq!(app.objects.list("avatars").await.unwrap().len(), 1);
    app.visitor().send(Method::PUT, PATH, None).await.refused(401, "unauthenticated");
}
