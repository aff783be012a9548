//! Small pictures for a picker: of the things that come out best and of the groups, each the best of several seeds, chosen
//! by looking. `thumbnails.png` holds the pictures, `thumbnails.json` says which class and seed each is and who chose.

use image::RgbImage;
use image::imageops::{self, FilterType};
use serde::{Deserialize, Serialize};

use super::sheet::{Sheet, SheetLayout};
use crate::checkpoint::config::ModelConfig;
use crate::error::{Error, Result};

/// Most pixels a side; larger pictures are resampled.
const MAX_SIDE: u32 = 64;
/// Pictures in a row.
const COLUMNS: u32 = 10;
/// Most pictures.
const MAX_COUNT: usize = 1024;

/// One picture: a class, and the seed it is drawn with under the model's own settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pick {
    /// Its name (or number, where a model names no classes).
    pub class: String,
    /// Its seed.
    pub seed: u32,
}

/// `thumbnails.json`: which pictures, in the order of the sheet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picks {
    /// Who chose the seeds, and how.
    #[serde(default)]
    pub chosen_by: String,
    /// The pictures.
    pub pictures: Vec<Pick>,
}

impl Picks {
    /// The things that a model features and its groups, all with one seed; the first classes of a model without either.
    pub fn of(config: &ModelConfig, seed: u32) -> Self {
        let groups = (0..config.classes.len()).filter(|class| config.is_group(*class));
        let mut classes: Vec<usize> = config.best().chain(groups).collect();
        if classes.is_empty() {
            classes = (0..config.num_classes().min(MAX_COUNT)).collect();
        }
        let pick = |class| Pick { class: config.class_name(class), seed };
        Self { chosen_by: String::new(), pictures: classes.into_iter().map(pick).collect() }
    }

    /// Reads `thumbnails.json`. `file` is the name used in messages.
    ///
    /// # Errors
    /// [`Error::Image`] for something else, too many pictures, or a class that the model has not.
    pub fn parse(json: &[u8], file: &str, config: &ModelConfig) -> Result<Self> {
        let bad = |problem: String| Error::Image { file: file.to_owned(), problem };
        let picks: Self = serde_json::from_slice(json)
            .map_err(|e| bad(format!("is no list of pictures ({e}); `dpar thumbnails` writes one")))?;
        if !(1..=MAX_COUNT).contains(&picks.pictures.len()) {
            return Err(bad(format!("lists {} pictures, 1 to {MAX_COUNT} are possible", picks.pictures.len())));
        }
        picks.classes(config).map_err(|name| bad(format!("lists {name:?}, which is no class of this model")))?;
        Ok(picks)
    }

    /// The class of each picture, or the name that is none.
    fn classes(&self, config: &ModelConfig) -> std::result::Result<Vec<usize>, String> {
        let class = |pick: &Pick| {
            let named = config.classes.iter().position(|name| *name == pick.class);
            let numbered =
                || pick.class.parse().ok().filter(|n| config.classes.is_empty() && *n < config.num_classes());
            named.or_else(numbered).ok_or_else(|| pick.class.clone())
        };
        self.pictures.iter().map(class).collect()
    }

    /// As JSON, a picture a line.
    ///
    /// # Errors
    /// [`Error::Internal`]: plain data can always be written.
    pub fn json(&self) -> Result<Vec<u8>> {
        let internal = |e: serde_json::Error| Error::Internal(format!("a list of pictures has no JSON ({e})"));
        let lines: Vec<String> =
            self.pictures.iter().map(serde_json::to_string).collect::<std::result::Result<_, _>>().map_err(internal)?;
        let by = serde_json::to_string(&self.chosen_by).map_err(internal)?;
        Ok(format!("{{\"chosen_by\": {by},\n \"pictures\": [\n  {}\n]}}\n", lines.join(",\n  ")).into_bytes())
    }
}

/// The pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnails {
    sheet: Sheet,
    /// The class of each picture.
    classes: Vec<usize>,
}

impl Thumbnails {
    fn layout(config: &ModelConfig, count: usize) -> SheetLayout {
        SheetLayout { side: MAX_SIDE.min(config.image_size() as u32), columns: COLUMNS, count: count as u32 }
    }

    /// From one picture a pick, in order.
    ///
    /// # Errors
    /// [`Error::Internal`] for another number of pictures, or picks of another model.
    pub fn of(pictures: &[RgbImage], picks: &Picks, config: &ModelConfig) -> Result<Self> {
        let classes = picks.classes(config).map_err(|name| Error::Internal(format!("{name} is no class")))?;
        if pictures.len() != classes.len() {
            return Err(Error::Internal(format!("{} pictures for {} picks", pictures.len(), classes.len())));
        }
        let side = Self::layout(config, classes.len()).side;
        let small = |p: &RgbImage| {
            if p.dimensions() == (side, side) {
                p.clone()
            } else {
                imageops::resize(p, side, side, FilterType::Lanczos3)
            }
        };
        let pictures: Vec<RgbImage> = pictures.iter().map(small).collect();
        Ok(Self { sheet: Sheet::of(&pictures, side, COLUMNS), classes })
    }

    /// Reads `thumbnails.png` and what [`Picks::parse`] has read. `file` is the name used in messages.
    ///
    /// # Errors
    /// As [`Sheet::parse`].
    pub fn parse(png: &[u8], file: &str, picks: &Picks, config: &ModelConfig) -> Result<Self> {
        let classes = picks.classes(config).map_err(|name| Error::Internal(format!("{name} is no class")))?;
        Ok(Self { sheet: Sheet::parse(png, file, Self::layout(config, classes.len()))?, classes })
    }

    /// The class of each picture, in the sheet's order.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// All pictures side by side.
    pub fn sheet(&self) -> &Sheet {
        &self.sheet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn config() -> ModelConfig {
        ModelConfig::parse(include_bytes!("../../assets/model/config.json"), "config.json").unwrap()
    }

    #[test]
    fn every_pick_has_its_picture() {
        let config = config();
        let picks = Picks::of(&config, 3);
        let count = picks.pictures.len();
        assert_eq!(count, config.best().count() + 58, "the best things and the groups, not all 557");
        let pictures: Vec<RgbImage> = (0..count).map(|n| RgbImage::from_pixel(64, 64, Rgb([n as u8, 1, 2]))).collect();
        let all = Thumbnails::of(&pictures, &picks, &config).unwrap();
        let read = Picks::parse(&picks.json().unwrap(), "thumbnails.json", &config).unwrap();
        assert_eq!(read, picks);
        let again = Thumbnails::parse(&all.sheet().png().unwrap(), "thumbnails.png", &read, &config).unwrap();
        assert_eq!(again, all);
        assert_eq!((again.classes().last(), again.sheet().tile(count - 1)), (Some(&57), pictures.last().cloned()));
        assert!(Thumbnails::of(&pictures[1..], &picks, &config).is_err());
        let large = vec![RgbImage::from_pixel(128, 128, Rgb([9, 9, 9])); count];
        let tile = Thumbnails::of(&large, &picks, &config).unwrap().sheet().tile(3).unwrap();
        assert_eq!(tile, RgbImage::from_pixel(64, 64, Rgb([9; 3])));
    }

    #[test]
    fn a_list_of_something_else_is_one_sentence() {
        let config = config();
        for (json, says) in [
            ("[]", "is no list of pictures"),
            (r#"{"pictures": []}"#, "lists 0 pictures"),
            (r#"{"pictures": [{"class": "zebra crossing", "seed": 1}]}"#, "\"zebra crossing\", which is no class"),
        ] {
            let e = Picks::parse(json.as_bytes(), "t.json", &config).unwrap_err();
            assert!(e.is_bad_input() && e.to_string().starts_with("t.json: ") && e.to_string().contains(says), "{e}");
        }
    }
}
