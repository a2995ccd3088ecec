//! The ten sample patients, inside the binary so that it runs in an empty folder.

/// Each file's name and its text.
pub(super) const FILES: [(&str, &str); 10] = [
    ("darrell-erdman-c9efcb62.json", include_str!("../../patients/darrell-erdman-c9efcb62.json")),
    ("donnell-leuschke-65d2b9d7.json", include_str!("../../patients/donnell-leuschke-65d2b9d7.json")),
    ("erasmo-hilpert-26b77000.json", include_str!("../../patients/erasmo-hilpert-26b77000.json")),
    ("juliane-hammes-700ccefc.json", include_str!("../../patients/juliane-hammes-700ccefc.json")),
    ("margarette-hintz-58692d9c.json", include_str!("../../patients/margarette-hintz-58692d9c.json")),
    ("miguel-angel-escalante-887af0a7.json", include_str!("../../patients/miguel-angel-escalante-887af0a7.json")),
    ("myron-schuster-63a7cbab.json", include_str!("../../patients/myron-schuster-63a7cbab.json")),
    ("stefan-haley-f44fe3a9.json", include_str!("../../patients/stefan-haley-f44fe3a9.json")),
    ("verna-satterfield-afe4d0ff.json", include_str!("../../patients/verna-satterfield-afe4d0ff.json")),
    ("ward-gerhold-9641f238.json", include_str!("../../patients/ward-gerhold-9641f238.json")),
];
