//! The command line of `paint`.
//!
//! The names are an interface that scripts rely on.

use super::keeping::Every;
use super::mask::Masking;
use super::rounding::Rounding;
use super::values::{Decibels, Hidden, Size, Time};
use super::video::Moving;
use super::view::View;
use super::watching::Watching;
use clap::Parser;
use impasto::activation::Backward;
use impasto::config::Length;
use impasto::config::presets::Preset;
use impasto::gpu::{Kernels, Precision};
use impasto::input_encoding::InputEncoding;
use impasto::{
    Activation, Backend, Configuration, Encoding, Error, Import, Loss, Optimizer, Schedule,
    Trainer, input,
};
use std::fmt::Display;
use std::path::PathBuf;

/// The most bytes of a configuration.
const MOST_CONFIGURATION: u64 = 1 << 20;

/// How a component is written: `huber:delta=0.5`.
const COMPONENT: &str = "NAME[:PARAMETER=VALUE,…]";

/// Trains a network that maps a pixel's place to its color, and repaints the picture with it.
///
/// Writes the painting, and beside it a sheet with the original, the painting and their
/// difference times 4; with --classify or --repaint the painting alone, and an older sheet of that
/// name is removed. Ctrl-C, SIGTERM and SIGHUP stop training, and what was learned so far is painted.
#[derive(Clone, Debug, Parser)]
#[command(name = "paint", version, override_usage = Options::usage("paint"))]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
pub struct Options {
    /// The picture to learn: PNG, JPEG, GIF, WebP, TIFF, BMP, …; gray or color, alpha, 8 or 16 bits; - is standard
    /// input
    #[arg(required_unless_present_any = ["repaint", "resume", "list_adapters", "print_config"])]
    pub image: Option<PathBuf>,

    /// Where to compute: auto (a GPU if there is one, else the CPU), gpu, cpu, or reference (f64, slow)
    #[arg(long, default_value = "auto", value_name = "ENGINE")]
    pub backend: Backend,

    /// The GPU adapter whose line in --list-adapters has this number or contains this text [env: IMPASTO_ADAPTER,
    /// else WGPU_ADAPTER_NAME]
    #[arg(long, value_name = "TEXT")]
    pub adapter: Option<String>,

    /// List the adapters that --adapter can choose from
    #[arg(long)]
    pub list_adapters: bool,

    /// The GPU engine's kernels: auto, fused (three dispatches a step, layers of up to 128 neurons) or
    /// layerwise (any network); the last two choose the GPU engine, on a software adapter if need be
    #[arg(long, default_value = "auto", value_name = "KIND")]
    pub kernels: Kernels,

    /// How precisely the GPU engine trains: full (f32), mixed (f16 products on matrix units) or f16-storage
    /// (f32, but values and deltas in f16 in memory); the last two where the device and the network fit,
    /// else full, and a note says why
    #[arg(long, default_value = "full", value_name = "PRECISION")]
    pub precision: Precision,

    /// Do not look for the fastest shapes of the GPU's kernels, which takes some seconds when a network
    /// is first trained on an adapter
    #[arg(long)]
    pub no_tune: bool,

    /// After training, print how long each kernel of a step takes on the GPU engine, or each phase of one on
    /// the CPU engine, and the times that the search for shapes measured in this run; with --quiet nothing
    /// else
    #[arg(long)]
    pub profile: bool,

    /// Begin with a configuration for pictures, which other options change: plain (drawings), fourier (text), siren,
    /// finer or hash (photographs)
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    preset: Option<Preset>,

    /// Begin with the configuration in this file, which other options change: JSON, also that of tiny-cuda-nn
    #[arg(long, value_name = "FILE.json")]
    pub config: Option<PathBuf>,

    /// Print the configuration that --preset or --config and the other options make, with every default, and end
    #[arg(long)]
    pub print_config: bool,

    /// What --preset or --config says.
    #[arg(skip)]
    base: Option<Box<Configuration>>,

    /// The text of `config`, once it is read.
    #[arg(skip)]
    config_text: Option<String>,

    /// Hidden layers: 10x100 is ten layers of 100 neurons, 64,32 one of 64 and one of 32 [default: 10x100]
    #[arg(long, value_name = "LAYERS")]
    hidden: Option<Hidden>,

    /// Activation of the hidden layers
    #[arg(long, value_name = COMPONENT)]
    #[arg(help = format!("{} {ACTIVATION_DEFAULT}", names(ACTIVATION, activations().map(Activation::name))))]
    #[arg(long_help = format!("{}\n\n{ACTIVATION_DEFAULT}", listed(ACTIVATION, activations())))]
    activation: Option<Activation>,

    /// How many training steps there are [default: 4000, for pictures of more than 10,000 pixels up to 20000]
    #[arg(long, allow_negative_numbers = true)]
    pub steps: Option<u64>,

    /// How often training goes through all pixels, instead of a number of steps
    #[arg(long, allow_negative_numbers = true, conflicts_with = "steps")]
    pub epochs: Option<usize>,

    /// How long training may take: 10s, 5m, 2h; without --steps and --epochs it takes that long
    #[arg(long)]
    pub time: Option<Time>,

    /// Stop training at this quality, such as 40dB; measured now and then, on at most 65,536 pixels
    #[arg(long, value_name = "PSNR")]
    pub until: Option<Decibels>,

    /// Pixels in a training step [default: 200, for pictures of more than 10,000 pixels up to 1000]
    #[arg(long, allow_negative_numbers = true)]
    batch: Option<usize>,

    /// Learn from a smaller copy if the picture has more pixels; the painting keeps the picture's size
    #[arg(long, value_name = "PIXELS", allow_negative_numbers = true)]
    pub max_pixels: Option<usize>,

    /// Learn from a smaller copy of this size; the painting keeps the picture's size
    #[arg(long, value_name = "WIDTHxHEIGHT", conflicts_with = "max_pixels")]
    pub resize: Option<Size>,

    /// Threads of the CPU engine [default: one for each core that the process may use] [env: RAYON_NUM_THREADS]
    #[arg(long, allow_negative_numbers = true)]
    pub threads: Option<usize>,

    /// The loss that training minimizes
    #[arg(long, value_name = COMPONENT)]
    #[arg(help = format!("{} {LOSS_DEFAULT}", names(LOSS, Loss::ALL.iter().map(|l| l.name()))))]
    #[arg(long_help = format!("{}\n\n{LOSS_DEFAULT}", listed(LOSS, Loss::ALL)))]
    loss: Option<Loss>,

    /// How a gradient becomes an update
    #[arg(long, value_name = COMPONENT)]
    #[arg(help = format!("{} {OPTIMIZER_DEFAULT}", names(OPTIMIZER, Optimizer::ALL.iter().map(|o| o.name()))))]
    #[arg(long_help = format!("{}\n\n{OPTIMIZER_DEFAULT}", listed(OPTIMIZER, Optimizer::ALL)))]
    optimizer: Option<Optimizer>,

    /// Learning rate of the optimizer, before the schedule [default: 0.002, with sine and finer 0.0001]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    learning_rate: Option<f64>,

    /// How the learning rate changes
    #[arg(long, value_name = COMPONENT)]
    #[arg(help = format!("{} {SCHEDULE_DEFAULT}", names(SCHEDULE, Schedule::ALL.iter().map(|s| s.name()))))]
    #[arg(long_help = format!("{}\n\n{SCHEDULE_DEFAULT}", listed(SCHEDULE, Schedule::ALL)))]
    schedule: Option<Schedule>,

    /// Steps in which the learning rate first rises from almost 0 to that of the schedule
    ///
    /// [default: 0, with --start a fifth of the steps, at most 2000]
    #[arg(long, value_name = "STEPS", allow_negative_numbers = true)]
    pub warm_up: Option<u64>,

    /// Seed of the first parameters and of the order of pixels: the same seed, the same painting [default: 0]
    #[arg(long, allow_negative_numbers = true)]
    seed: Option<u64>,

    /// Where the painting goes; the comparison sheet goes beside it, as painted-comparison.png; - is standard output,
    /// as PNG, without a sheet
    #[arg(long, short, default_value = "painted.png", value_name = "FILE")]
    pub output: PathBuf,

    /// Also write a report of the run as JSON; - is standard output
    #[arg(long, value_name = "FILE.json")]
    pub report: Option<PathBuf>,

    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,

    /// The inputs of the network, computed from a place
    #[arg(long, value_name = COMPONENT)]
    #[arg(help = format!("{} {ENCODING_DEFAULT}", names(ENCODING, encodings().map(Encoding::name))))]
    #[arg(long_help = format!("{}\n\n{ENCODING_DEFAULT}", listed(ENCODING, encodings())))]
    encoding: Option<InputEncoding>,

    /// Also save the network, with PyTorch's names and orientation; - is standard output
    #[arg(long, value_name = "FILE.safetensors")]
    pub save: Option<PathBuf>,

    /// Save the run this often, so that --resume can go on with it: 30s, 5m, 2h, 5epochs or 1000steps. It goes to the
    /// file of --save [default: beside the painting, as painted.safetensors]
    #[arg(long, value_name = "INTERVAL")]
    pub save_every: Option<Every>,

    /// Go on with a run that --save-every saved, as if it had never stopped. The file says what it learns and how;
    /// --epochs, --steps and --time may be raised
    #[arg(
        long,
        value_name = "FILE.safetensors",
        conflicts_with_all = ["hidden", "activation", "batch", "max_pixels", "resize", "loss", "optimizer",
                              "learning_rate", "schedule", "warm_up", "seed", "encoding", "classify", "kernels",
                              "precision", "repaint", "start", "preset", "config", "print_config"]
    )]
    pub resume: Option<PathBuf>,

    /// Paint from a saved network, without training; - is standard input. One that another program saved takes
    /// --activation, --encoding, --classify and --size
    #[arg(
        long,
        value_name = "FILE.safetensors",
        conflicts_with_all = ["image", "hidden", "epochs", "steps",
                              "time", "until", "batch", "max_pixels", "resize", "loss",
                              "optimizer", "learning_rate", "schedule", "warm_up", "save", "save_every", "profile",
                              "precision", "preset", "config", "print_config"]
    )]
    pub repaint: Option<PathBuf>,

    /// Train on from a saved network, with its layers and its encoding; - is standard input. One that another program
    /// saved takes --activation, --encoding and --classify
    #[arg(
        long,
        value_name = "FILE.safetensors",
        conflicts_with_all = ["repaint", "hidden", "preset", "config", "print_config"]
    )]
    pub start: Option<PathBuf>,

    /// The size to paint at [default: that of the picture]; the comparison sheet keeps the picture's size
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    pub size: Option<Size>,

    #[command(flatten)]
    pub view: View,

    /// Learn two classes instead, ink (r+g+b up to 600) and paper, and paint the predicted class
    /// of each pixel beside the expected one
    #[arg(long)]
    pub classify: bool,

    #[command(flatten)]
    pub masking: Masking,

    #[command(flatten)]
    pub rounding: Rounding,

    #[command(flatten)]
    pub watching: Watching,

    #[command(flatten)]
    pub moving: Moving,
}

impl Options {
    /// The usage of `program`. What clap derives would ask for IMAGE and --repaint at once, although they exclude
    /// each other.
    pub fn usage(program: &str) -> String {
        format!(
            "{program} [OPTIONS] <IMAGE>
       {program} [OPTIONS] --repaint <FILE.safetensors>
       {program} [OPTIONS] --resume <FILE.safetensors> [IMAGE]
       {program} [OPTIONS] --print-config [IMAGE]
       {program} --list-adapters"
        )
    }

    /// The loss that training minimizes.
    pub fn loss(&self) -> Loss {
        let of_file = self.base.as_ref().and_then(|base| base.loss);
        self.loss.or(of_file).unwrap_or(if self.classify {
            Loss::SoftmaxCrossEntropy
        } else {
            Loss::MeanSquaredError
        })
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(self.base.as_ref().map_or(0, |base| base.seed))
    }

    /// Pixels in a step, if the user or a file says it.
    pub fn batch(&self) -> Option<usize> {
        self.batch.or_else(|| self.base.as_ref().and_then(|base| base.batch_size))
    }

    /// How long to train, if the user or a file says it; `--time` replaces what the file says.
    pub fn length(&self) -> Option<Length> {
        match (self.epochs, self.steps) {
            (Some(epochs), _) => Some(Length::Epochs(epochs)),
            (None, Some(steps)) => Some(Length::Steps(steps)),
            (None, None) if self.time.is_some() => None,
            (None, None) => self.base.as_ref()?.length,
        }
    }

    /// Whether the user chose what a picture is learned by.
    pub fn has_choice(&self) -> bool {
        let chosen = self.preset.is_some() || self.config.is_some() || self.start.is_some();
        chosen || self.classify || self.encoding.is_some() || self.activation.is_some()
    }

    /// Whether the configuration needs the size of the picture.
    pub fn needs_size(&self) -> Option<Preset> {
        self.preset.filter(|preset| preset.depends_on_size())
    }

    /// Takes what `--preset`, for a picture of this size, or `--config` says.
    pub fn settle(&mut self, size: (usize, usize)) -> impasto::Result<()> {
        // A place has two numbers.
        self.settle_for(2, |preset| preset.configuration(size))
    }

    /// The same for a video of so many frames, whose places and times have three numbers.
    pub fn settle_video(&mut self, size: (usize, usize), frames: usize) -> impasto::Result<()> {
        self.settle_for(3, |preset| preset.configuration_of_video(size, frames))
    }

    fn settle_for(
        &mut self,
        inputs: usize,
        configuration: impl Fn(Preset) -> impasto::Result<Configuration>,
    ) -> impasto::Result<()> {
        let base = match (self.preset, &self.config) {
            // Nothing is the same as the defaults.
            (Some(Preset::Plain), _) | (None, None) => return Ok(()),
            (Some(preset), _) => configuration(preset)?,
            (None, Some(path)) => {
                // Once, since a pipe is then empty.
                let text = match self.config_text.take() {
                    Some(text) => text,
                    None => input::read_text(path, MOST_CONFIGURATION)?,
                };
                Configuration::from_json(self.config_text.insert(text), inputs)
                    .map_err(|error| Error::Setting(format!("{}: {error}", path.display())))?
            }
        };
        self.classify |= base.classify;
        self.base = Some(Box::new(base));
        self.check().map_err(Error::Setting)
    }

    /// The configuration that all options make.
    pub fn configuration(&self) -> Configuration {
        let base = self.base.as_deref().cloned().unwrap_or_default();
        // What a file scales is for its own activation.
        let own_scale = self.activation.map_or(base.first_layer_scale, |_| 1.0);
        Configuration {
            hidden: self.hidden.as_ref().map_or(base.hidden, |hidden| hidden.0.clone()),
            activation: self.activation(),
            first_layer_scale: own_scale,
            encoding: self.unseeded_encoding(),
            loss: self.loss.or(base.loss),
            optimizer: self.optimizer.unwrap_or(base.optimizer),
            learning_rate: self.learning_rate(),
            schedule: self.schedule.unwrap_or(base.schedule),
            warm_up: self.warm_up.unwrap_or(base.warm_up),
            batch_size: self.batch(),
            length: self.length(),
            seed: self.seed(),
            classify: self.classify,
            ..base
        }
    }

    fn unseeded_encoding(&self) -> InputEncoding {
        let of_file = || self.base.as_ref().map(|base| base.encoding.clone());
        self.encoding.clone().or_else(of_file).unwrap_or(Encoding::Identity.into())
    }

    /// The learning rate. Waves take smaller steps.
    pub fn learning_rate(&self) -> f64 {
        let waves = matches!(self.activation(), Activation::Sine { .. } | Activation::Finer { .. });
        let default = if waves { 1e-4 } else { 2e-3 };
        self.learning_rate.unwrap_or(self.base.as_ref().map_or(default, |base| base.learning_rate))
    }

    /// The inputs of the network, computed from a place. Random waves have the seed of the run, unless
    /// the user chose another.
    pub fn encoding(&self) -> InputEncoding {
        self.unseeded_encoding().seeded(self.seed())
    }

    /// Takes the encoding of a saved network.
    pub fn set_encoding(&mut self, encoding: InputEncoding) {
        self.encoding = Some(encoding);
    }

    /// The activation of the hidden layers.
    pub fn activation(&self) -> Activation {
        let of_file = self.base.as_ref().map(|base| base.activation);
        self.activation.or(of_file).unwrap_or(Activation::Relu)
    }

    /// Takes the activation of a saved network.
    pub fn set_activation(&mut self, activation: Activation) {
        self.activation = Some(activation);
    }

    /// What a file that another program saved does not say of its network.
    pub fn import(&self) -> Import {
        Import {
            activation: self.activation,
            output: self.classify.then_some(Activation::Softmax),
            encoding: self.encoding.as_ref().map(|_| self.encoding()),
            // A place has two numbers.
            inputs: self.encoding.as_ref().map(|_| 2),
        }
    }

    /// Takes what a saved run says.
    pub fn adopt(&mut self, trainer: &Trainer, classify: bool) {
        (self.loss, self.optimizer) = (Some(trainer.loss), Some(trainer.optimizer));
        (self.seed, self.classify) = (Some(trainer.seed), classify);
    }

    /// Takes this loss, unless the user chose one.
    pub fn set_default_loss(&mut self, loss: Loss) {
        self.loss.get_or_insert(loss);
    }

    /// What to try where a run of so many steps learned nothing: the default settings, which paint, in place of those
    /// that were chosen.
    pub fn advice(&self, steps: u64) -> String {
        let mut chosen = Vec::new();
        if self.activation() != Activation::Relu {
            chosen.push(format!("--activation {}", self.activation()));
        }
        if self.loss() != Loss::MeanSquaredError && !self.classify {
            chosen.push(format!("--loss {}", self.loss()));
        }
        if let Some(optimizer) = self.optimizer.filter(|optimizer| *optimizer != Optimizer::ADAM) {
            chosen.push(format!("--optimizer {optimizer}"));
        }
        if self.learning_rate.is_some() {
            chosen.push(format!("--learning-rate {}", self.learning_rate()));
        }
        if steps < FEW_STEPS {
            chosen.push(format!("the limit of {steps} steps"));
        }
        let advice = if chosen.is_empty() {
            "try more --steps, or fewer layers such as --hidden 4x64".to_string()
        } else {
            format!("try it without {}", chosen.join(", "))
        };
        format!("note: the painting is of one color, so nothing was learned: {advice}")
    }

    /// What clap cannot check by itself.
    pub fn check(&self) -> Result<(), String> {
        self.watching.check()?;
        let view = self.size.map(|_| "--size").or(self.view.given());
        if let Some(option) = view.filter(|_| self.classify && self.repaint.is_none()) {
            return Err(format!(
                "{option} is for colors, since classes are painted beside the expected ones: it cannot be used with \
                 --classify"
            ));
        }
        if self.until.is_some() && self.classify {
            return Err("--until is the PSNR of colors: it cannot be used with --classify".into());
        }
        if self.profile && self.backend == Backend::Reference {
            return Err(
                "--profile times the GPU engine and the CPU engine: it cannot be used with \
                        --backend reference"
                    .into(),
            );
        }
        // A file may say what is learned.
        if self.config.is_some() && self.base.is_none() {
            return Ok(());
        }
        let loss = self.loss();
        if !self.classify && loss.folded_activation().is_some_and(is_row) {
            return Err(format!(
                "--loss {loss} is for classes, and colors are none: add --classify, or choose {}",
                fitting_colors()
            ));
        }
        Ok(())
    }
}

/// So few steps may be too few for any settings.
const FEW_STEPS: u64 = 1_000;

const ACTIVATION: &str = "Activation of the hidden layers";
/// A saved network says another.
const ACTIVATION_DEFAULT: &str = "[default: relu]";
const LOSS: &str = "The loss that training minimizes";
/// It depends on another option.
const LOSS_DEFAULT: &str = "[default: mean-squared-error, with --classify softmax-cross-entropy]";
const OPTIMIZER: &str = "How a gradient becomes an update";
const OPTIMIZER_DEFAULT: &str = "[default: adam]";
const SCHEDULE: &str = "How the learning rate changes during training";
const SCHEDULE_DEFAULT: &str = "[default: cosine]";
const ENCODING: &str = "The inputs computed from a place (waves and grids sharpen fine detail; random waves use --seed; + puts \
     several next to each other)";

/// A saved network says another.
const ENCODING_DEFAULT: &str = "[default: identity]";

/// The activations that a hidden layer may have.
fn activations() -> impl Iterator<Item = Activation> {
    let trains = |a: &Activation| !is_row(*a) && a.backward() != Backward::None;
    Activation::ALL.iter().copied().filter(trains)
}

/// The encodings that a place may have.
fn encodings() -> impl Iterator<Item = Encoding> {
    Encoding::ALL.iter().copied().filter(|encoding| encoding.takes(2))
}

/// Whether the activation makes probabilities of the outputs of a sample together.
fn is_row(activation: Activation) -> bool {
    activation.backward() == Backward::Row
}

/// The names of the losses that colors can be learned with.
fn fitting_colors() -> String {
    let fits = |loss: &&Loss| !loss.folded_activation().is_some_and(is_row);
    joined(Loss::ALL.iter().filter(fits).map(|loss| loss.name()))
}

fn joined(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// The help of `-h`: `What: identity, relu, …`.
fn names(what: &str, names: impl Iterator<Item = &'static str>) -> String {
    format!("{what}: {}", joined(names))
}

/// The help of `--help`: each component in a line of its own, as it is written with its defaults.
fn listed(what: &str, all: impl IntoIterator<Item = impl Display>) -> String {
    let lines: Vec<String> = all.into_iter().map(|component| format!("\n  {component}")).collect();
    format!("{what}, with the defaults of parameters that are left out:{}", lines.concat())
}
