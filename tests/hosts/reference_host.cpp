// A small OpenFX host on top of the reference HostSupport library: General and Filter contexts,
// float RGBA, Source and Hint from files. It loads a bundle the way hosts do, renders, writes the
// matte, and exits with 1 when anything that a host relies on does not hold.
//
//   reference_host --plate plate.pfm --hint hint.pfm --out matte.pfm [--filter-out matte.pfm]
//                  [--set ID=VALUE]...
//
// The bundle is found as hosts find it, through OFX_PLUGIN_PATH. Pictures are PFM files: floats,
// first row at the bottom, which is OpenFX's own order. A choice's VALUE is its index.

#include "reference_host.h"

#include <cmath>
#include <fstream>
#include <iostream>

namespace {

const char kIdentifier[] = "org.corridorkey.ofx";
int gFaults = 0;

// One line for every rule, so that a log shows what was looked at.
bool expect(bool holds, const std::string &what)
{
  std::cout << (holds ? "ok    " : "FAULT ") << what << std::endl;
  if (!holds) ++gFaults;
  return holds;
}

Picture readPfm(const std::string &path)
{
  std::ifstream file(path.c_str(), std::ios::binary);
  std::string magic;
  double scale = 0;
  Picture picture;
  file >> magic >> picture.width >> picture.height >> scale;
  file.get();
  picture.channels = magic == "PF" ? 3 : magic == "Pf" ? 1 : 0;
  if (!file || picture.channels == 0 || scale >= 0) throw std::runtime_error(path + " is not a little-endian PFM file");
  picture.data.resize(size_t(picture.width) * picture.height * picture.channels);
  file.read(reinterpret_cast<char *>(picture.data.data()), std::streamsize(picture.data.size() * sizeof(float)));
  if (!file) throw std::runtime_error(path + " is cut off");
  return picture;
}

void writePfm(const std::string &path, const Picture &picture)
{
  std::ofstream file(path.c_str(), std::ios::binary);
  file << (picture.channels == 3 ? "PF" : "Pf") << "\n" << picture.width << " " << picture.height << "\n-1.0\n";
  file.write(reinterpret_cast<const char *>(picture.data.data()), std::streamsize(picture.data.size() * sizeof(float)));
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

// The alpha plane of a rendered picture, with the rules that any output has to obey.
Picture alphaOf(const HostImage &image, const std::string &name)
{
  const OfxRectI bounds = image.getBounds();
  Picture alpha(bounds.x2 - bounds.x1, bounds.y2 - bounds.y1, 1);
  bool finite = true, inRange = true;
  for (int y = bounds.y1; y < bounds.y2; ++y) {
    for (int x = bounds.x1; x < bounds.x2; ++x) {
      const float *pixel = image.pixel(x, y);
      for (int c = 0; c < 4; ++c) finite = finite && std::isfinite(pixel[c]);
      inRange = inRange && pixel[3] >= 0.f && pixel[3] <= 1.f;
      alpha.data[size_t(y - bounds.y1) * alpha.width + (x - bounds.x1)] = pixel[3];
    }
  }
  expect(finite, name + ": every value is finite");
  expect(inRange, name + ": alpha is between 0 and 1");
  return alpha;
}

void checkDescription(ImageEffect::ImageEffectPlugin &plugin)
{
  const ImageEffect::Descriptor &descriptor = plugin.getDescriptor();
  const std::set<std::string> &contexts = plugin.getContexts();
  expect(descriptor.getLabel() == "CorridorKey", "the label is CorridorKey");
  expect(descriptor.getPluginGrouping() == "Keyer", "the grouping is Keyer");
  expect(plugin.getVersionMajor() == 1, "the major version is 1");
  expect(contexts.count(kOfxImageEffectContextFilter) == 1, "the Filter context is offered");
  expect(contexts.count(kOfxImageEffectContextGeneral) == 1, "the General context is offered");
  expect(descriptor.getRenderThreadSafety() == kOfxImageEffectRenderFullySafe, "rendering is fully thread safe");
  expect(!descriptor.supportsTiles(), "tiles are not asked for");
  expect(descriptor.isPixelDepthSupported(kOfxBitDepthFloat), "float pixels are supported");
  for (const char *context : {kOfxImageEffectContextFilter, kOfxImageEffectContextGeneral}) {
    ImageEffect::Descriptor *inContext = plugin.getContext(context);
    if (!expect(inContext != nullptr, std::string("describing works in ") + context)) continue;
    const std::map<std::string, ImageEffect::ClipDescriptor *> &clips = inContext->getClips();
    expect(clips.count("Source") == 1 && clips.count("Output") == 1, "  there are Source and Output clips");
    expect(inContext->getParams().count("output") == 1, "  there is a parameter `output`");
    const auto hint = clips.find("Hint");
    if (std::string(context) == kOfxImageEffectContextGeneral) {
      expect(hint != clips.end() && hint->second->isOptional() && !hint->second->isMask(),
             "  there is an optional Hint clip that is no mask");
    }
  }
}

// One instance, as a host makes it, and the actions of one frame in the order of hosts.
class Session {
public:
  Session(ImageEffect::ImageEffectPlugin &plugin, const std::string &context, Clips clips)
    : name_(context == kOfxImageEffectContextGeneral ? "General" : "Filter")
  {
    instance_.reset(dynamic_cast<EffectInstance *>(plugin.createInstance(context, &clips)));
    if (!instance_) throw std::runtime_error("no instance could be made in the context " + name_);
    const OfxStatus status = instance_->createInstanceAction();
    expect(status == kOfxStatOK || status == kOfxStatReplyDefault, name_ + ": CreateInstance succeeds");
  }

  EffectInstance &instance() { return *instance_; }

  // Sets a parameter as a user would.
  void set(const std::string &id, const std::string &value)
  {
    Stored *parameter = dynamic_cast<Stored *>(instance_->getParam(id));
    if (!parameter) throw std::runtime_error("there is no parameter " + id + " that can be set");
    parameter->store(value);
    const OfxPointD one = {1, 1};
    instance_->beginInstanceChangedAction(kOfxChangeUserEdited);
    const OfxStatus status = instance_->paramInstanceChangedAction(id, kOfxChangeUserEdited, 0, one);
    instance_->endInstanceChangedAction(kOfxChangeUserEdited);
    expect(status == kOfxStatOK || status == kOfxStatReplyDefault, name_ + ": setting " + id + "=" + value + " is accepted");
  }

  // Renders `window` (all of it when null) and gives the status; the picture is output()'s.
  OfxStatus render(const OfxRectI *window)
  {
    const OfxPointD one = {1, 1};
    ClipInstance &source = *instance_->clip("Source");
    expect(instance_->getClipPreferences(), name_ + ": clip preferences are given");

    OfxRectD rod = {0, 0, 0, 0};
    instance_->getRegionOfDefinitionAction(0, one, rod);
    const OfxRectD wanted = source.getRegionOfDefinition(0);
    expect(rod.x1 == wanted.x1 && rod.y1 == wanted.y1 && rod.x2 == wanted.x2 && rod.y2 == wanted.y2,
           name_ + ": the region of definition is the source's");

    std::map<ImageEffect::ClipInstance *, OfxRectD> regions;
    instance_->getRegionOfInterestAction(0, one, rod, regions);
    for (const auto &region : regions) {
      expect(std::isfinite(region.second.x1) && std::isfinite(region.second.x2) && std::isfinite(region.second.y1) &&
               std::isfinite(region.second.y2),
             name_ + ": the region of interest on " + region.first->getName() + " is finite");
    }

    const OfxRectI all = {int(rod.x1), int(rod.y1), int(rod.x2), int(rod.y2)};
    const OfxRectI box = window ? *window : all;
    instance_->newOutput(all);
    instance_->beginRenderAction(0, 0, 1, false, one, true, false);
    const OfxStatus status = instance_->renderAction(0, kOfxImageFieldNone, box, one, true, false, false);
    instance_->endRenderAction(0, 0, 1, false, one, true, false);
    expect(HostImage::live() == 1, name_ + ": every image was released");
    expect(instance_->output().untouchedOutside(box), name_ + ": nothing was written outside the render window");
    return status;
  }

  void expectSuccess(OfxStatus status)
  {
    expect(status == kOfxStatOK, name_ + ": Render succeeds" + (instance_->message().empty() ? "" : ": " + instance_->message()));
    expect(instance_->message().empty(), name_ + ": no persistent message is left");
  }

private:
  std::string name_;
  std::unique_ptr<EffectInstance> instance_;
};

void checkGeneral(ImageEffect::ImageEffectPlugin &plugin, const Arguments &arguments, const Clips &clips)
{
  Session session(plugin, kOfxImageEffectContextGeneral, clips);
  for (const auto &value : arguments.values) session.set(value.first, value.second);
  session.expectSuccess(session.render(nullptr));
  const Picture matte = alphaOf(session.instance().output(), "General");
  writePfm(arguments.out, matte);

  // The same pixels, whatever the window.
  const OfxRectI window = {matte.width / 3, matte.height / 4, matte.width / 3 + 57, matte.height / 4 + 31};
  session.expectSuccess(session.render(&window));
  bool same = true;
  for (int y = window.y1; y < window.y2; ++y) {
    for (int x = window.x1; x < window.x2; ++x) {
      same = same && session.instance().output().pixel(x, y)[3] == matte.data[size_t(y) * matte.width + x];
    }
  }
  expect(same, "General: a small render window has the same values as the whole frame");

  // A failure is told, and the next success takes the telling back.
  session.set("model", "there-is-no-such-model");
  const OfxStatus failed = session.render(nullptr);
  expect(failed != kOfxStatOK && failed != kOfxStatReplyDefault, "General: a missing model fails the render");
  expect(session.instance().message().find("there-is-no-such-model") != std::string::npos,
         "General: the message names the missing model: " + session.instance().message());
  session.set("model", "");
  session.expectSuccess(session.render(nullptr));

  // An abort is no failure to tell the user about.
  session.instance().setAborted(true);
  session.set("despillStrength", "0.25");
  session.set("resolution", "1");
  const OfxStatus aborted = session.render(nullptr);
  expect(aborted != kOfxStatOK, "General: an aborted render does not claim success");
  expect(session.instance().message().empty(), "General: an aborted render leaves no message");
  session.instance().setAborted(false);
}

void checkFilter(ImageEffect::ImageEffectPlugin &plugin, const Arguments &arguments, Clips clips)
{
  clips.erase("Hint");
  Session session(plugin, kOfxImageEffectContextFilter, clips);
  for (const auto &value : arguments.values) session.set(value.first, value.second);
  session.expectSuccess(session.render(nullptr));
  const Picture matte = alphaOf(session.instance().output(), "Filter");
  if (!arguments.filterOut.empty()) writePfm(arguments.filterOut, matte);
}

int run(const Arguments &arguments)
{
  Host host;
  ImageEffect::PluginCache effects(host);
  OFX::Host::PluginCache &cache = *OFX::Host::PluginCache::getPluginCache();
  cache.setCacheVersion("reference-host-1");
  effects.registerInCache(cache);
  cache.scanPluginFiles();
  ImageEffect::ImageEffectPlugin *plugin = effects.getPluginById(kIdentifier);
  if (!expect(plugin != nullptr, std::string("the plug-in ") + kIdentifier + " is found on OFX_PLUGIN_PATH")) return 1;
  std::cout << "      in " << plugin->getBinary()->getFilePath() << std::endl;

  Clips clips;
  clips["Source"] = readPfm(arguments.plate);
  clips["Hint"] = readPfm(arguments.hint);
  checkDescription(*plugin);
  checkGeneral(*plugin, arguments, clips);
  checkFilter(*plugin, arguments, clips);
  expect(HostImage::live() == 0, "no image is left");
  OFX::Host::PluginCache::clearPluginCache();
  expect(true, "the plug-in was unloaded without a crash");
  return gFaults == 0 ? 0 : 1;
}

} // namespace

int main(int count, char **words)
{
  try {
    return run(Arguments::parse(count, words));
  } catch (const std::exception &error) {
    std::cerr << "reference_host: " << error.what() << std::endl;
  } catch (const OFX::Host::Property::Exception &error) {
    std::cerr << "reference_host: the HostSupport library refused a property: " << OFX::StatStr(error.getStatus()) << std::endl;
  }
  return 1;
}
