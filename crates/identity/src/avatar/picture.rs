//! From an uploaded picture to ours.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};

use crate::people::PeopleError;

/// Pixels on each side of the picture that is kept.
const SIDE: u32 = 256;
/// What is looked at of an uploaded one: pixels on a side, pixels in all, bytes in memory.
const MAX_SIDE: u32 = 10_000;
const MAX_PIXELS: u64 = 25_000_000;
const MAX_MEMORY: u64 = 256 * 1024 * 1024;

/// The middle square of the picture, 256 by 256, as WebP. Only its pixels are taken over.
pub(super) fn make(upload: &[u8]) -> Result<Vec<u8>, PeopleError> {
    let format = image::guess_format(upload).map_err(|_| PeopleError::PictureUnsupported)?;
    let taken = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif];
    if !taken.contains(&format) {
        return Err(PeopleError::PictureUnsupported);
    }
    let mut reader = ImageReader::with_format(Cursor::new(upload), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    // Judged by the header, before a single pixel is unpacked.
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PeopleError::PictureTooLarge);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    picture.apply_orientation(orientation);
    let side = width.min(height);
    let (x, y) = ((picture.width() - side) / 2, (picture.height() - side) / 2);
    let square = picture.crop_imm(x, y, side, side).thumbnail_exact(SIDE, SIDE).to_rgba8();
    let mut made = Cursor::new(Vec::new());
    square.write_to(&mut made, ImageFormat::WebP).map_err(|_| PeopleError::PictureDamaged)?;
    Ok(made.into_inner())
}

fn refused(error: image::ImageError) -> PeopleError {
    match error {
        image::ImageError::Limits(_) => PeopleError::PictureTooLarge,
        _ => PeopleError::PictureDamaged,
    }
}

#[cfg(test)]
mod tests {
    use image::RgbaImage;

    use super::*;

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let picture = RgbaImage::from_fn(width, height, |x, y| {
            image::Rgba([(x % 251) as u8, (y % 241) as u8, 200, 255])
        });
        let picture = DynamicImage::ImageRgba8(picture);
        let picture = match format {
            ImageFormat::Jpeg => DynamicImage::ImageRgb8(picture.to_rgb8()),
            _ => picture,
        };
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_kind_becomes_a_small_square_webp() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif] {
            for (width, height) in [(300, 200), (40, 90), (1, 1)] {
                let made = make(&encoded(width, height, format)).unwrap();
                assert_eq!(image::guess_format(&made).unwrap(), ImageFormat::WebP);
                let read = image::load_from_memory(&made).unwrap();
                assert_eq!((read.width(), read.height()), (SIDE, SIDE), "{format:?}");
            }
        }
    }

    #[test]
    fn nothing_but_pixels_is_taken_over() {
        let mut polyglot = encoded(64, 64, ImageFormat::Png);
        polyglot.extend_from_slice(b"<script>alert(1)</script>PK\x03\x04");
        let made = make(&polyglot).unwrap();
        assert!(!made.windows(7).any(|part| part == b"<script"));
    }

    /// A PNG whose header claims a size that its data does not have.
    fn claiming(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = encoded(1, 1, ImageFormat::Png);
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }

    #[test]
    fn bombs_and_impostors_are_refused() {
        let refusal = |bytes: &[u8]| make(bytes).unwrap_err();
        for (width, height) in [(60_000, 60_000), (10_001, 1), (5_001, 5_000)] {
            assert!(matches!(refusal(&claiming(width, height)), PeopleError::PictureTooLarge));
        }
        // A real bomb: 9,800 × 9,800 equal pixels pack into a few kilobytes.
        let bomb = encoded(9_800, 2_600, ImageFormat::Png);
        assert!(matches!(refusal(&bomb), PeopleError::PictureTooLarge), "{} bytes", bomb.len());
        assert!(matches!(refusal(&claiming(2_000, 2_000)), PeopleError::PictureDamaged));
        let whole = encoded(64, 64, ImageFormat::Jpeg);
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
        for other in [svg.as_slice(), b"", b"BM6\x00\x00\x00", b"%PDF-1.7", b"II*\x00", b"hello"] {
            assert!(matches!(refusal(other), PeopleError::PictureUnsupported), "{other:?}");
        }
        let mut wrong_magic = whole.clone();
        wrong_magic[..8].copy_from_slice(b"\x89PNG\r\n\x1a\n");
        assert!(matches!(refusal(&wrong_magic), PeopleError::PictureDamaged));
        assert!(matches!(
            refusal(&encoded(64, 64, ImageFormat::Png)[..60]),
            PeopleError::PictureDamaged
        ));
    }
}
