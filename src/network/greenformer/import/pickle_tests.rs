#![allow(clippy::unwrap_used)]
use super::super::checkpoint::Element;
use super::super::test_checkpoints::{Kind, Pickler, Pth};
use super::*;

fn tensors() -> Vec<(String, Vec<usize>)> {
    vec![
        ("encoder.weight".into(), vec![300, 70_000]),
        ("encoder.bias".into(), vec![3]),
        ("bn.num_batches_tracked".into(), vec![]),
    ]
}

/// The entries of a dictionary whose keys are texts.
fn entries<'a>(pickle: &'a Pickle<'_>, dict: &'a Value) -> Vec<(&'a str, &'a Value)> {
    let Value::Dict(entries) = dict else {
        panic!("{dict:?}")
    };
    entries
        .iter()
        .map(|(key, value)| match pickle.value(*key) {
            Value::Text(place) => (pickle.text(place), pickle.value(*value)),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_state_dict_is_read_bare_wrapped_and_as_parameters() {
    for (wrapped, parameters) in [(false, false), (true, false), (false, true)] {
        let pth = Pth {
            kind: Kind::F16,
            wrapped,
            parameters,
            ..Pth::default()
        };
        let bytes = pth.index(&tensors());
        let pickle = Pickle::read(&bytes).unwrap();
        let mut dict = pickle.root();
        if wrapped {
            let root = entries(&pickle, dict);
            assert_eq!(root[0].0, "epoch");
            assert_eq!(root[0].1, &Value::Int(70_000));
            dict = root[2].1;
        }
        let found = entries(&pickle, dict);
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            ["encoder.weight", "encoder.bias", "bn.num_batches_tracked"]
        );
        let Value::Tensor(tensor) = found[0].1 else {
            panic!()
        };
        assert_eq!(tensor.shape, [300, 70_000]);
        assert_eq!(tensor.strides, [70_000, 1]);
        assert_eq!(tensor.storage.element, Element::F16);
        assert_eq!(tensor.storage.length, 21_000_000);
        assert_eq!(pickle.text(&tensor.storage.key), "0");
        let Value::Tensor(counter) = found[2].1 else {
            panic!()
        };
        assert_eq!(counter.shape, [0; 0]);
        assert!(!counter.storage.element.widens());
    }
}

/// What pickle protocol 4 does otherwise: frames, short texts, a memo that counts by itself, names
/// from the stack.
#[test]
fn protocol_4_is_read() {
    let mut bytes = vec![0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(b"\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94");
    bytes.extend_from_slice(b"(\x8c\x01a\x94K\x07\x8c\x01bh\x02)Ru.");
    let pickle = Pickle::read(&bytes).unwrap();
    let found = entries(&pickle, pickle.root());
    assert_eq!(found[0], ("a", &Value::Int(7)));
    assert_eq!(found[1], ("b", &Value::Dict(vec![])));
}

#[test]
fn plain_values_are_read() {
    let bytes = b"\x80\x02(\x88\x89NJ\xff\xff\xff\xff\x8a\x01\x80\x8a\x00\x8a\x09123456789]K\x01a\
        (K\x02ee}X\x01\0\0\0kG\0\0\0\0\0\0\0\0sC\x01xK\x01K\x02\x86t.";
    // The bracket of the list's items is closed by APPENDS; one `e` too many closes ours.
    assert!(Pickle::read(bytes).is_err());
    let bytes = b"\x80\x02(\x88\x89NJ\xff\xff\xff\xff\x8a\x01\x80\x8a\x00\x8a\x09123456789]K\x01a\
        (K\x02e}X\x01\0\0\0kG\0\0\0\0\0\0\0\0sC\x01xK\x01K\x02\x86t.";
    let pickle = Pickle::read(bytes).unwrap();
    let Value::Tuple(items) = pickle.root() else {
        panic!()
    };
    let value = |index: usize| pickle.value(items[index]);
    assert_eq!(value(0), &Value::Bool(true));
    assert_eq!(value(1), &Value::Bool(false));
    assert_eq!(value(2), &Value::None);
    assert_eq!(value(3), &Value::Int(-1));
    assert_eq!(value(4), &Value::Int(-128));
    assert_eq!(value(5), &Value::Int(0));
    assert_eq!(value(6), &Value::LargeInt);
    let Value::List(list) = value(7) else {
        panic!()
    };
    assert_eq!(list.len(), 2);
    assert_eq!(entries(&pickle, value(8)), [("k", &Value::Float)]);
    assert_eq!(value(9), &Value::Bytes);
    let Value::Tuple(pair) = value(10) else {
        panic!()
    };
    let pair: Vec<&Value> = pair.iter().map(|id| pickle.value(*id)).collect();
    assert_eq!(pair, [&Value::Int(1), &Value::Int(2)]);
}

/// Fails unless the pickle is refused with these words.
#[track_caller]
fn refused(bytes: &[u8], words: &[&str]) {
    let reason = Pickle::read(bytes).unwrap_err();
    for word in words {
        assert!(reason.contains(word), "no `{word}` in: {reason}");
    }
}

#[test]
fn every_other_name_is_refused_by_name() {
    for (module, name) in [
        ("posix", "system"),
        ("nt", "system"),
        ("os", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("__builtin__", "exec"),
        ("torch", "load"),
        ("torch.hub", "load"),
        ("torch._utils", "_rebuild_device_tensor_from_numpy"),
        ("torch", "FloatStorage.__init__"),
        ("collections", "OrderedDict.__reduce__"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("__torch__.module", "Net"),
    ] {
        let dotted = format!("{module}.{name}");
        let by_line = Pickler::new()
            .global(module, name)
            .text("touch hacked")
            .raw(b"\x85R")
            .end();
        refused(&by_line, &[&dotted, "nothing of it was run"]);
        let by_stack = Pickler::new().text(module).text(name).raw(b"\x93").end();
        refused(&by_stack, &[&dotted]);
    }
}

#[test]
fn every_way_to_call_is_refused() {
    let pickle = |bytes: &[u8]| Pickler::new().raw(bytes).end();
    // INST and OBJ call a class, NEWOBJ its __new__, EXT1 a registered object, PERSID a hook.
    refused(&pickle(b"(X\x02\0\0\0lsios\nsystem\n"), &["INST"]);
    refused(&pickle(b"(o"), &["OBJ"]);
    refused(&pickle(b"ccollections\nOrderedDict\n)\x81"), &["NEWOBJ"]);
    refused(
        &pickle(b"ccollections\nOrderedDict\n)}\x92"),
        &["NEWOBJ_EX"],
    );
    refused(&pickle(b"\x82\x01"), &["EXT1"]);
    refused(&pickle(b"Phook\n"), &["PERSID"]);
    refused(&pickle(b"Vtext\n"), &["UNICODE"]);
    refused(&pickle(b"\xfe"), &["0xfe"]);
    // REDUCE of what is no function, and of the names that are known but are not functions here.
    refused(&pickle(b"X\x01\0\0\0x)R"), &["not a function"]);
    refused(&pickle(b"K\x01K\x02\x85R"), &["not a function"]);
    refused(&pickle(b"ctorch\nFloatStorage\n)R"), &["storage"]);
    refused(
        &pickle(b"ccollections\nOrderedDict\n]\x85R"),
        &["wrong arguments"],
    );
    refused(
        &pickle(b"ctorch._utils\n_rebuild_parameter\nK\x01\x85R"),
        &["without a tensor"],
    );
    refused(&pickle(b"ccollections\nOrderedDict\nNR"), &["no arguments"]);
    // BUILD on a value of our own, on a name, and with a state that is no dictionary.
    refused(&pickle(b"]}b"), &["sets the state"]);
    refused(
        &pickle(b"ccollections\nOrderedDict\n}b"),
        &["sets the state"],
    );
    refused(
        &pickle(b"ccollections\nOrderedDict\n)RN}\x86b"),
        &["sets the state"],
    );
}

#[test]
fn storages_and_tensors_are_what_they_should_be() {
    let storage = |bytes: &[u8]| Pickler::new().raw(bytes).end();
    refused(&storage(b"NQ"), &["unknown way"]);
    refused(&storage(b"(NNNNNtQ"), &["unknown way"]);
    refused(&storage(b"(X\x01\0\0\0xX\x01\0\0\0xtQ"), &["unknown way"]);
    let mut other = Pickler::new();
    other
        .raw(b"(")
        .text("module")
        .global("torch", "FloatStorage");
    refused(
        &other.text("0").text("cpu").int(1).raw(b"tQ").end(),
        &["unknown way"],
    );
    let mut negative = Pickler::new();
    negative
        .raw(b"(")
        .text("storage")
        .global("torch", "FloatStorage");
    refused(
        &negative
            .text("0")
            .text("cpu")
            .raw(b"J\xff\xff\xff\xfftQ")
            .end(),
        &["unknown way"],
    );
    let tensor = |offset: usize, shape: &[usize], strides: &[usize]| {
        let storage = |pickle: &mut Pickler| {
            pickle.storage("FloatStorage", "0", 8);
        };
        Pickler::new().view(storage, offset, shape, strides).end()
    };
    Pickle::read(&tensor(0, &[2, 3], &[3, 1])).unwrap();
    refused(&tensor(0, &[2, 3], &[3]), &["unknown way"]);
    refused(&tensor(0, &[1; 65], &[1; 65]), &["unknown way"]);
    refused(&tensor(0, &[usize::MAX], &[1]), &["unknown way"]);
    let mut no_storage = Pickler::new();
    no_storage.view(
        |pickle| {
            pickle.raw(b"N");
        },
        0,
        &[1],
        &[1],
    );
    refused(&no_storage.end(), &["unknown way"]);
}

#[test]
fn what_never_ends_is_limited() {
    // Brackets in brackets, values without end, references to references.
    refused(&Pickler::new().raw(&[b'('; 10_000]).end(), &["deeper"]);
    refused(&Pickler::new().raw(&vec![b']'; 1 << 20]).end(), &["larger"]);
    let doubling = b"h\0h\0\x86q\0".repeat(1 << 20);
    refused(
        &Pickler::new().raw(b")q\0").raw(&doubling).end(),
        &["larger"],
    );
    let recalls = b"h\0".repeat(1 << 20);
    refused(
        &Pickler::new().raw(b")q\0").raw(&recalls).end(),
        &["larger"],
    );
    let memo: Vec<u8> = (0..1u32 << 20)
        .flat_map(|key| [[b'r'].as_slice(), &key.to_le_bytes()].concat())
        .collect();
    refused(&Pickler::new().raw(b")").raw(&memo).end(), &["larger"]);
    // A list in itself, and a tuple nested a hundred thousand times, are read flat.
    Pickle::read(&Pickler::new().raw(b"]q\0h\0a").end()).unwrap();
    Pickle::read(&Pickler::new().raw(b")").raw(&[0x85; 100_000]).end()).unwrap();
    // Lengths that the file does not have.
    for bytes in [
        &b"X\xff\xff\xff\xffabc"[..],
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc",
        b"\x8a\xff1",
    ] {
        refused(&Pickler::new().raw(bytes).0, &["ends too early"]);
    }
    refused(&Pickler::new().raw(&[b'c'; 5000]).end(), &["no end"]);
}

#[test]
fn damage_is_an_error_wherever_it_is() {
    let good = Pth {
        wrapped: true,
        ..Pth::default()
    }
    .index(&tensors());
    for length in 0..good.len() {
        assert!(Pickle::read(&good[..length]).is_err(), "{length}");
    }
    refused(&[&good[..], b"N"].concat(), &["after its end"]);
    // Whatever byte is changed to whatever value, there is an answer.
    let mut bytes = good.clone();
    for at in 0..good.len() {
        for value in 0..=255 {
            bytes[at] = value;
            let _ = Pickle::read(&bytes);
        }
        bytes[at] = good[at];
    }
    assert_eq!(bytes, good);
    let pickle = |bytes: &[u8]| Pickler::new().raw(bytes).end();
    refused(&pickle(b""), &["lacks its values"]);
    refused(&pickle(b"NN"), &["left over"]);
    refused(&pickle(b"(N"), &["left over"]);
    refused(&pickle(b"(t("), &["lacks its values"]);
    refused(&pickle(b"N(t\x86R"), &["lacks its values"]);
    refused(&pickle(b"h\x09"), &["never noted"]);
    refused(&pickle(b"X\x01\0\0\0\xff"), &["UTF-8"]);
    refused(&pickle(b"}Na"), &["no list"]);
    refused(&pickle(b"]NNs"), &["no dictionary"]);
    refused(&pickle(b"}(NNNu"), &["no dictionary"]);
    refused(&[0x80, 1, b'N', b'.'], &["protocol 1"]);
}
