// Package picture turns the pictures of requests into what vision encoders take: PNG, JPEG, WebP and GIF from data URLs
// to RGB pixels, and RGB pixels to normalised patches as a model's preprocessor_config.json asks for them. It is pure:
// no files, no network, no runtime.
//
// What counts as right is the reference: transformers' slow (Pillow) processors. The pixels of every format, and the
// resized ones, are Pillow's own, bit for bit; testdata/reference.py made the fixtures that hold it to that. Resizes go
// across first and then down, as in every Pillow up to 12.3; 13.0.0 goes down first where it thinks that cheaper, which
// on noise changed 2 % of the samples, by 15 levels at most. The fast (torchvision) processors round differently too.
//
//   - Orientation: Exif's is applied, as transformers' load_image does, in JPEG, PNG and WebP.
//   - Transparency lies on white, as Qwen's own utilities and vLLM have it. (transformers' plain convert("RGB") would
//     show whatever colour transparent pixels hide, black as a rule, and black writing on it is gone.)
//   - Samples of 16 bits keep their upper eight. Colour profiles are not applied; Pillow's users do not either.
//   - Animations: the first frame.
//   - The format is told by content. A data URL that declares another media type is taken all the same.
//
// Size, and the memory that decoding takes, are checked against Limits from the header, before anything is decoded.
package picture
