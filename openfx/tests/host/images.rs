//! Pictures in and out, in every form.

use std::sync::Arc;

use ofx::host::{
    ClipFormat, FnClip, HostImage, HostOptions, Layout, RenderRequest, Sequence, StillClip, Value,
};
use ofx::{Components, Context, Depth, Field, Premultiplication, RectD, RectI, Scale, Status};

use crate::gain::take_log;
use crate::{instance, library, picture, plated, still, turn};

const BOUNDS: RectI = RectI {
    x1: -3,
    y1: 2,
    x2: 30,
    y2: 21,
};

fn close(a: [f32; 4], b: [f32; 4], tolerance: f32) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

#[test]
fn actions_come_in_the_order_of_real_hosts() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::Filter);
    assert_eq!(take_log(), ["create", "preferences"]);
    instance
        .connect("Source", still(BOUNDS, Layout::default()))
        .unwrap();
    assert_eq!(take_log(), ["preferences", "changed Source UserEdited"]);
    let frame = [
        "region of definition",
        "regions of interest",
        "is identity",
        "begin sequence",
        "render",
        "end sequence",
    ];
    let take_log = || {
        let mut log = take_log();
        log.retain(|line| !line.starts_with("source"));
        log
    };
    instance.render(&RenderRequest::at(1.0)).unwrap();
    assert_eq!(take_log(), frame);
    instance.set("straight", Value::Bool(true)).unwrap();
    take_log();
    instance.render(&RenderRequest::at(1.0)).unwrap();
    assert_eq!(take_log(), frame, "preferences were asked for at the edit");
    instance.begin_sequence(&Sequence::default()).unwrap();
    assert!(instance.begin_sequence(&Sequence::default()).is_err());
    instance.render(&RenderRequest::at(1.0)).unwrap();
    instance.end_sequence().unwrap();
    assert!(instance.end_sequence().is_err());
    let log = take_log();
    assert_eq!(log.first().unwrap(), "begin sequence");
    assert_eq!(log.last().unwrap(), "end sequence");
    assert_eq!(log.len(), 6);
    drop(instance);
    assert_eq!(take_log(), ["destroy"]);
    library.assert_clean();
}

#[test]
fn every_format_of_source_and_output() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::General);
    instance.set("gain", Value::Double(2.0)).unwrap();
    for depth in Depth::ALL {
        for components in [Components::Rgba, Components::Rgb] {
            for (flipped, padding) in [(false, 0), (true, 24)] {
                let layout = Layout {
                    depth: *depth,
                    components,
                    flipped,
                    padding,
                };
                instance.connect("Source", still(BOUNDS, layout)).unwrap();
                let preferences = instance.clip_preferences().unwrap();
                assert_eq!(preferences.depth, *depth);
                assert_eq!(preferences.components, components);
                let request = RenderRequest {
                    output: layout,
                    ..RenderRequest::at(1.0)
                };
                let image = instance.render(&request).unwrap();
                assert_eq!(image.bounds(), BOUNDS);
                assert_eq!(image.layout(), layout);
                let source = picture(BOUNDS, layout);
                let tolerance = match depth {
                    Depth::Byte => 0.51 / 255.0,
                    Depth::Short => 1e-4,
                    Depth::Half => 1e-3,
                    Depth::Float => 1e-6,
                };
                for (x, y) in [(-3, 2), (29, 20), (-3, 20), (29, 2), (11, 7)] {
                    let [r, g, b, a] = source.pixel(x, y).unwrap();
                    let alpha = if components == Components::Rgb {
                        1.0
                    } else {
                        a
                    };
                    let want = [r * 2.0, g * 2.0, b * 2.0, alpha];
                    let got = image.pixel(x, y).unwrap();
                    assert!(close(got, want, tolerance), "{layout:?} {got:?} {want:?}");
                }
            }
        }
    }
    library.assert_clean();
}

#[test]
fn the_output_is_converted_to_what_is_asked_for() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = plated(&library, Context::Filter, BOUNDS);
    let full = instance.render(&RenderRequest::at(1.0)).unwrap();
    let layout = Layout {
        depth: Depth::Byte,
        components: Components::Alpha,
        flipped: true,
        padding: 3,
    };
    let alpha = instance
        .render(&RenderRequest {
            output: layout,
            ..RenderRequest::at(1.0)
        })
        .unwrap();
    assert_eq!(alpha.layout(), layout);
    assert!(close(
        alpha.pixel(4, 4).unwrap(),
        [0.0, 0.0, 0.0, full.pixel(4, 4).unwrap()[3]],
        0.003
    ));
    library.assert_clean();
}

#[test]
fn a_window_is_a_part_of_the_whole() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = plated(&library, Context::Filter, BOUNDS);
    instance.set("gain", Value::Double(0.7)).unwrap();
    let whole = instance.render(&RenderRequest::at(1.0)).unwrap();
    let window = RectI::new(0, 3, 17, 9);
    let part = instance
        .render(&RenderRequest {
            window: Some(window),
            ..RenderRequest::at(1.0)
        })
        .unwrap();
    assert_eq!(part.bounds(), window);
    for y in window.y1..window.y2 {
        for x in window.x1..window.x2 {
            assert_eq!(part.pixel(x, y), whole.pixel(x, y));
        }
    }
    for window in [RectI::new(0, 0, 5, 5), RectI::new(5, 5, 5, 9)] {
        let failure = instance.render(&RenderRequest {
            window: Some(window),
            ..RenderRequest::at(1.0)
        });
        assert!(failure.unwrap_err().to_string().contains("window"));
    }
    library.assert_clean();
}

#[test]
fn proxies_and_pixel_aspect() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::Filter);
    let mut wide = picture(RectI::new(0, 0, 40, 20), Layout::default());
    wide.pixel_aspect = 2.0;
    instance
        .connect("Source", Arc::new(StillClip::new(wide)))
        .unwrap();
    let region = instance.region_of_definition(1.0, Scale::ONE).unwrap();
    assert_eq!(region, RectD::new(0.0, 0.0, 80.0, 20.0));
    let half = Scale { x: 0.5, y: 0.5 };
    let image = instance
        .render(&RenderRequest {
            scale: half,
            ..RenderRequest::at(1.0)
        })
        .unwrap();
    assert_eq!(image.bounds(), RectI::new(0, 0, 20, 10));
    assert_eq!((image.scale, image.pixel_aspect), (half, 2.0));
    // The average of columns 2 and 3.
    assert!((image.pixel(1, 0).unwrap()[0] - 2.5 / 255.0).abs() < 1e-6);
    let regions = instance.regions_of_interest(1.0, half, region).unwrap();
    assert_eq!(regions["Source"], region);
    assert!(!regions.contains_key("Mask"));
    library.assert_clean();
}

#[test]
fn optional_clips_of_other_formats_are_remapped() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = plated(&library, Context::General, BOUNDS);
    instance.set("gain", Value::Double(0.0)).unwrap();
    let mask = |x: i32| if x < 10 { 1.0 } else { 0.0 };
    let smaller = RectI::new(0, 0, 20, 30);
    let rgba: Vec<f32> = (0..30)
        .flat_map(|_| (0..20).flat_map(|x| [0.0, 0.0, 0.0, mask(x)]))
        .collect();
    let layout = Layout {
        depth: Depth::Byte,
        components: Components::Alpha,
        flipped: true,
        padding: 1,
    };
    let image = HostImage::from_rgba_f32(smaller, &rgba, layout).unwrap();
    instance
        .connect("Mask", Arc::new(StillClip::new(image)))
        .unwrap();
    let preferences = instance.clip_preferences().unwrap();
    assert_eq!(preferences.clips["Mask"].components, Components::Alpha);
    assert_eq!(
        preferences.clips["Mask"].depth,
        Depth::Float,
        "all clips have one depth"
    );
    let output = instance.render(&RenderRequest::at(1.0)).unwrap();
    assert_eq!(output.pixel(5, 5).unwrap()[1], 0.0);
    let source = picture(BOUNDS, Layout::default());
    assert_eq!(output.pixel(15, 5), source.pixel(15, 5));
    assert_eq!(output.pixel(25, 5), source.pixel(25, 5));
    library.assert_clean();
}

#[test]
fn the_host_can_insist_on_a_format() {
    let _turn = turn();
    for depth in Depth::ALL {
        let library = library(HostOptions {
            force_depth: Some(*depth),
            force_components: Some(Components::Rgb),
            ..HostOptions::strict()
        });
        let instance = plated(&library, Context::General, BOUNDS);
        let preferences = instance.clip_preferences().unwrap();
        assert_eq!(preferences.depth, *depth);
        assert_eq!(preferences.clips["Source"].components, Components::Rgb);
        assert_eq!(preferences.premultiplication, Premultiplication::Opaque);
        instance.render(&RenderRequest::at(1.0)).unwrap();
        library.assert_clean();
    }
}

#[test]
fn preferences_follow_the_parameter_that_they_depend_on() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = plated(&library, Context::Filter, BOUNDS);
    let straight = |instance: &ofx::host::Instance| {
        let preferences = instance.clip_preferences().unwrap();
        preferences.premultiplication == Premultiplication::Unpremultiplied
    };
    assert!(!straight(&instance));
    instance.set("straight", Value::Bool(true)).unwrap();
    assert!(straight(&instance));
    let image = instance.render(&RenderRequest::at(1.0)).unwrap();
    assert_eq!(image.premultiplication, Premultiplication::Unpremultiplied);
    library.assert_clean();
}

#[test]
fn an_identity_is_passed_on() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = plated(&library, Context::Filter, BOUNDS);
    instance.set_str("mode", "identity").unwrap();
    instance.set("gain", Value::Double(9.0)).unwrap();
    let identity = instance.is_identity(&RenderRequest::at(4.0)).unwrap();
    assert_eq!(identity.unwrap().clip, "Source");
    let image = instance.render(&RenderRequest::at(4.0)).unwrap();
    assert_eq!(
        image.to_rgba_f32(),
        picture(BOUNDS, Layout::default()).to_rgba_f32()
    );
    assert!(!take_log().contains(&"render".to_owned()));
    library.assert_clean();
}

#[test]
fn failures_carry_the_plugins_words_and_the_next_success_clears_them() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = plated(&library, Context::Filter, BOUNDS);
    instance.set_str("mode", "fail").unwrap();
    let failure = instance.render(&RenderRequest::at(1.0)).unwrap_err();
    assert_eq!(failure.status, Status::FAILED);
    let words = "it was asked to fail: 100 % of the time";
    assert_eq!(failure.message.as_deref(), Some(words));
    assert_eq!(instance.message().unwrap().text, words);
    assert!(take_log().ends_with(&["render".to_owned(), "end sequence".to_owned()]));
    instance.set_str("mode", "multiply").unwrap();
    instance.render(&RenderRequest::at(1.0)).unwrap();
    assert_eq!(instance.message(), None);
    assert!(instance.messages().iter().any(|said| said.text == words));
    library.assert_clean();
}

#[test]
fn aborts_stop_a_render_without_a_word() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = plated(&library, Context::Filter, BOUNDS);
    let handle = instance.abort_handle();
    handle.abort_after(5);
    let failure = instance.render(&RenderRequest::at(1.0)).unwrap_err();
    assert_eq!((failure.status, failure.message), (Status::FAILED, None));
    assert_eq!(instance.message(), None);
    assert_eq!(instance.progress().len(), 4);
    assert_eq!(handle.polls(), 5);
    handle.reset();
    instance.render(&RenderRequest::at(1.0)).unwrap();
    let reports = instance.progress();
    assert_eq!(reports.len(), 19);
    assert_eq!(reports.last(), Some(&1.0));
    handle.abort();
    assert!(instance.render(&RenderRequest::at(1.0)).is_err());
    library.assert_clean();
}

#[test]
fn missing_pictures_are_no_pictures() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::Filter);
    let format = ClipFormat::default();
    let region = RectD::new(0.0, 0.0, 8.0, 8.0);
    let frame = Arc::new(picture(RectI::new(0, 0, 8, 8), Layout::default()));
    let clip = FnClip::new(format, region, move |time, _| {
        (time < 10.0).then(|| Arc::clone(&frame))
    });
    instance.connect("Source", Arc::new(clip)).unwrap();
    let there = instance.render(&RenderRequest::at(9.0)).unwrap();
    assert_eq!(there.pixel(0, 0).unwrap()[3], 0.8);
    let gone = instance.render(&RenderRequest::at(10.0)).unwrap();
    assert_eq!(gone.pixel(0, 0).unwrap(), [0.0; 4]);
    library.assert_clean();
}

#[test]
fn animated_parameters_and_fields() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = plated(&library, Context::Filter, BOUNDS);
    instance.set_at("gain", 1.0, Value::Double(1.0)).unwrap();
    instance.set_at("gain", 3.0, Value::Double(3.0)).unwrap();
    let blue = |time| {
        let request = RenderRequest {
            field: Field::Upper,
            ..RenderRequest::at(time)
        };
        instance.render(&request).unwrap().pixel(0, 5).unwrap()[2]
    };
    assert!((blue(1.0) - 0.2).abs() < 1e-6);
    assert!((blue(2.0) - 0.4).abs() < 1e-6);
    library.assert_clean();
}

#[test]
fn every_picture_has_a_name_of_its_own_unless_it_is_given_one() {
    let _turn = turn();
    let library = library(HostOptions::strict());
    let instance = instance(&library, Context::Filter);
    let name = |id: &str, level: f32| {
        let rgba = [level; 4].repeat(4 * 4);
        let bounds = RectI::new(0, 0, 4, 4);
        let mut image = HostImage::from_rgba_f32(bounds, &rgba, Layout::default()).unwrap();
        image.id = id.into();
        // The picture before is freed here, and its memory is likely to be used again.
        instance
            .connect("Source", Arc::new(StillClip::new(image)))
            .unwrap();
        take_log();
        instance.render(&RenderRequest::at(1.0)).unwrap();
        let again = take_log();
        instance.render(&RenderRequest::at(2.0)).unwrap();
        let named = |log: &[String]| {
            log.iter()
                .find(|l| l.starts_with("source"))
                .unwrap()
                .clone()
        };
        let first = named(&again);
        assert_eq!(
            first,
            named(&take_log()),
            "the same picture at another time"
        );
        first
    };
    let names = [name("", 0.1), name("", 0.2), name("", 0.3)];
    assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2]);
    assert_eq!(name("mine", 0.1), "source mine");
    library.assert_clean();
}
