// The pieces that the reference HostSupport library leaves to a host: parameters that hold values,
// clips that hold a picture, images, the instance and the host itself.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ofxCore.h"
#include "ofxImageEffect.h"

#include "ofxhPropertySuite.h"
#include "ofxhBinary.h"
#include "ofxhClip.h"
#include "ofxhHost.h"
#include "ofxhImageEffect.h"
#include "ofxhMemory.h"
#include "ofxhParam.h"
#include "ofxhPluginAPICache.h"
#include "ofxhPluginCache.h"
#include "ofxhImageEffectAPI.h"

namespace ImageEffect = OFX::Host::ImageEffect;
namespace Param = OFX::Host::Param;

// Rows from the lowest up, interleaved.
struct Picture {
  int width = 0, height = 0, channels = 0;
  std::vector<float> data;
  Picture() = default;
  Picture(int w, int h, int c) : width(w), height(h), channels(c), data(size_t(w) * h * c) {}
};

// What is connected, by clip.
typedef std::map<std::string, Picture> Clips;

struct Arguments {
  std::string plate, hint, out, filterOut;
  std::vector<std::pair<std::string, std::string>> values;

  static Arguments parse(int count, char **words)
  {
    Arguments arguments;
    for (int i = 1; i < count; i += 2) {
      const std::string name = words[i];
      if (i + 1 == count) throw std::runtime_error(name + " needs a value");
      const std::string value = words[i + 1];
      const size_t equals = value.find('=');
      if (name == "--plate") arguments.plate = value;
      else if (name == "--hint") arguments.hint = value;
      else if (name == "--out") arguments.out = value;
      else if (name == "--filter-out") arguments.filterOut = value;
      else if (name == "--set" && equals != std::string::npos)
        arguments.values.push_back(std::make_pair(value.substr(0, equals), value.substr(equals + 1)));
      else throw std::runtime_error(name + " " + value + " is not understood");
    }
    if (arguments.plate.empty() || arguments.hint.empty() || arguments.out.empty())
      throw std::runtime_error("--plate, --hint and --out are needed");
    return arguments;
  }
};

// ---- parameters ---------------------------------------------------------------------------------

// A parameter whose value can be given as text.
struct Stored {
  virtual ~Stored() {}
  virtual void store(const std::string &text) = 0;
};

inline void parse(const std::string &text, int &value) { value = std::atoi(text.c_str()); }
inline void parse(const std::string &text, bool &value) { value = text == "1" || text == "true"; }
inline void parse(const std::string &text, double &value) { value = std::atof(text.c_str()); }

// One value for all times: this host does not animate.
template <class Base, class Value> class Single : public Base, public Stored {
public:
  Single(Param::Descriptor &descriptor, Param::SetInstance *set, Value value) : Base(descriptor, set), value_(value) {}
  OfxStatus get(Value &value) override { value = value_; return kOfxStatOK; }
  OfxStatus get(OfxTime, Value &value) override { return get(value); }
  OfxStatus set(Value value) override { value_ = value; return kOfxStatOK; }
  OfxStatus set(OfxTime, Value value) override { return set(value); }
  void store(const std::string &text) override { parse(text, value_); }

protected:
  Value value_;
};

class DoubleParam : public Single<Param::DoubleInstance, double> {
public:
  using Single<Param::DoubleInstance, double>::Single;
  OfxStatus derive(OfxTime, double &value) override { value = 0; return kOfxStatOK; }
  OfxStatus integrate(OfxTime from, OfxTime to, double &value) override { value = value_ * (to - from); return kOfxStatOK; }
};

class RgbParam : public Param::RGBInstance {
public:
  RgbParam(Param::Descriptor &descriptor, Param::SetInstance *set) : Param::RGBInstance(descriptor, set)
  {
    for (int i = 0; i < 3; ++i) value_[i] = descriptor.getProperties().getDoubleProperty(kOfxParamPropDefault, i);
  }
  OfxStatus get(double &r, double &g, double &b) override { r = value_[0]; g = value_[1]; b = value_[2]; return kOfxStatOK; }
  OfxStatus get(OfxTime, double &r, double &g, double &b) override { return get(r, g, b); }
  OfxStatus set(double r, double g, double b) override { value_[0] = r; value_[1] = g; value_[2] = b; return kOfxStatOK; }
  OfxStatus set(OfxTime, double r, double g, double b) override { return set(r, g, b); }

private:
  double value_[3];
};

class StringParam : public Param::StringInstance, public Stored {
public:
  StringParam(Param::Descriptor &descriptor, Param::SetInstance *set)
    : Param::StringInstance(descriptor, set), value_(descriptor.getProperties().getStringProperty(kOfxParamPropDefault)) {}
  OfxStatus get(std::string &value) override { value = value_; return kOfxStatOK; }
  OfxStatus get(OfxTime, std::string &value) override { return get(value); }
  OfxStatus set(const char *value) override { value_ = value; return kOfxStatOK; }
  OfxStatus set(OfxTime, const char *value) override { return set(value); }
  void store(const std::string &text) override { value_ = text; }

private:
  std::string value_;
};

// ---- images and clips ---------------------------------------------------------------------------

// Float RGBA rows with some padding after each; the buffer starts out as a pattern that no render
// produces, so that what was not written can be told.
class HostImage : public ImageEffect::Image {
public:
  HostImage(ImageEffect::ClipInstance &clip, const OfxRectI &bounds, const std::string &id)
    : ImageEffect::Image(clip, 1.0, 1.0, nullptr, bounds, bounds, rowFloats(bounds) * int(sizeof(float)), kOfxImageFieldNone, id),
      bounds_(bounds), data_(size_t(rowFloats(bounds)) * (bounds.y2 - bounds.y1), kUntouched)
  {
    setPointerProperty(kOfxImagePropData, data_.data());
    ++count();
  }
  ~HostImage() override { --count(); }

  float *pixel(int x, int y) { return &data_[index(x, y)]; }
  const float *pixel(int x, int y) const { return &data_[index(x, y)]; }

  bool untouchedOutside(const OfxRectI &window) const
  {
    for (int y = bounds_.y1; y < bounds_.y2; ++y) {
      const size_t row = size_t(y - bounds_.y1) * rowFloats(bounds_);
      for (int i = 0; i < rowFloats(bounds_); ++i) {
        const int x = bounds_.x1 + i / 4;
        const bool inside = x >= window.x1 && x < window.x2 && y >= window.y1 && y < window.y2;
        if (!inside && data_[row + i] != kUntouched) return false;
      }
    }
    return true;
  }

  // How many images there are.
  static int live() { return count(); }

private:
  static constexpr float kUntouched = -12345.f;
  static constexpr int kPadding = 12;
  static int &count() { static int value = 0; return value; }
  static int rowFloats(const OfxRectI &bounds) { return (bounds.x2 - bounds.x1) * 4 + kPadding; }
  size_t index(int x, int y) const { return size_t(y - bounds_.y1) * rowFloats(bounds_) + size_t(x - bounds_.x1) * 4; }

  OfxRectI bounds_;
  std::vector<float> data_;
};

class EffectInstance;

class ClipInstance : public ImageEffect::ClipInstance {
public:
  ClipInstance(EffectInstance *effect, ImageEffect::ClipDescriptor &descriptor, const Picture *picture);

  const std::string &getUnmappedBitDepth() const override { static const std::string v(kOfxBitDepthFloat); return v; }
  const std::string &getUnmappedComponents() const override { static const std::string v(kOfxImageComponentRGBA); return v; }
  const std::string &getPremult() const override;
  double getAspectRatio() const override { return 1.0; }
  double getFrameRate() const override { return 24.0; }
  void getFrameRange(double &first, double &last) const override { first = last = 0; }
  const std::string &getFieldOrder() const override { static const std::string v(kOfxImageFieldNone); return v; }
  bool getConnected() const override { return isOutput() || !picture_.data.empty(); }
  double getUnmappedFrameRate() const override { return 24.0; }
  void getUnmappedFrameRange(double &first, double &last) const override { first = last = 0; }
  bool getContinuousSamples() const override { return false; }
  OfxRectD getRegionOfDefinition(OfxTime) const override
  {
    const OfxRectD region = {0, 0, double(picture_.width), double(picture_.height)};
    return region;
  }
  ImageEffect::Image *getImage(OfxTime time, const OfxRectD *region) override;
#ifdef OFX_SUPPORTS_OPENGLRENDER
  ImageEffect::Texture *loadTexture(OfxTime, const char *, const OfxRectD *) override { return nullptr; }
#endif

private:
  EffectInstance *effect_;
  Picture picture_;
};

// ---- the instance -------------------------------------------------------------------------------

class EffectInstance : public ImageEffect::Instance {
public:
  EffectInstance(ImageEffect::ImageEffectPlugin *plugin, ImageEffect::Descriptor &descriptor, const std::string &context, Clips clips)
    : ImageEffect::Instance(plugin, descriptor, context, false), clips_(std::move(clips)) {}
  ~EffectInstance() override { dropOutput(); }

  ClipInstance *clip(const std::string &name) { return dynamic_cast<ClipInstance *>(getClip(name)); }
  const std::string &message() const { return message_; }
  void setAborted(bool aborted) { aborted_ = aborted; }

  // A fresh buffer for the next render.
  void newOutput(const OfxRectI &bounds)
  {
    dropOutput();
    output_ = new HostImage(*getClip("Output"), bounds, "output");
  }
  HostImage &output() { return *output_; }

  const std::string &getDefaultOutputFielding() const override { static const std::string v(kOfxImageFieldNone); return v; }
  int abort() override { return aborted_; }
  OfxStatus vmessage(const char *type, const char *, const char *format, va_list arguments) override
  {
    std::printf("      %s: %s\n", type, formatted(format, arguments).c_str());
    return kOfxStatOK;
  }
  OfxStatus setPersistentMessage(const char *, const char *, const char *format, va_list arguments) override
  {
    message_ = formatted(format, arguments);
    return kOfxStatOK;
  }
  OfxStatus clearPersistentMessage() override { message_.clear(); return kOfxStatOK; }

  void getProjectSize(double &x, double &y) const override { x = size().width; y = size().height; }
  void getProjectOffset(double &x, double &y) const override { x = y = 0; }
  void getProjectExtent(double &x, double &y) const override { getProjectSize(x, y); }
  double getProjectPixelAspectRatio() const override { return 1; }
  double getEffectDuration() const override { return 1; }
  double getFrameRate() const override { return 24; }
  double getFrameRecursive() const override { return 0; }
  void getRenderScaleRecursive(double &x, double &y) const override { x = y = 1; }

  ImageEffect::ClipInstance *newClipInstance(ImageEffect::Instance *, ImageEffect::ClipDescriptor *descriptor, int) override
  {
    const auto found = clips_.find(descriptor->isOutput() ? "Source" : descriptor->getName());
    return new ClipInstance(this, *descriptor, found == clips_.end() ? nullptr : &found->second);
  }

  Param::Instance *newParam(const std::string &, Param::Descriptor &descriptor) override
  {
    const std::string &type = descriptor.getType();
    const OFX::Host::Property::Set &properties = descriptor.getProperties();
    if (type == kOfxParamTypeInteger)
      return new Single<Param::IntegerInstance, int>(descriptor, this, properties.getIntProperty(kOfxParamPropDefault));
    if (type == kOfxParamTypeChoice)
      return new Single<Param::ChoiceInstance, int>(descriptor, this, properties.getIntProperty(kOfxParamPropDefault));
    if (type == kOfxParamTypeBoolean)
      return new Single<Param::BooleanInstance, bool>(descriptor, this, properties.getIntProperty(kOfxParamPropDefault) != 0);
    if (type == kOfxParamTypeDouble) return new DoubleParam(descriptor, this, properties.getDoubleProperty(kOfxParamPropDefault));
    if (type == kOfxParamTypeRGB) return new RgbParam(descriptor, this);
    if (type == kOfxParamTypeString) return new StringParam(descriptor, this);
    if (type == kOfxParamTypePushButton) return new Param::PushbuttonInstance(descriptor, this);
    if (type == kOfxParamTypeGroup) return new Param::GroupInstance(descriptor, this);
    if (type == kOfxParamTypePage) return new Param::PageInstance(descriptor, this);
    throw std::runtime_error("the plug-in has a parameter of type " + type + ", which this host does not know");
  }
  OfxStatus editBegin(const std::string &) override { return kOfxStatOK; }
  OfxStatus editEnd() override { return kOfxStatOK; }

  void progressStart(const std::string &, const std::string &) override {}
  void progressEnd() override {}
  bool progressUpdate(double) override { return true; }
  double timeLineGetTime() override { return 0; }
  void timeLineGotoTime(double) override {}
  void timeLineGetBounds(double &first, double &last) override { first = last = 0; }

private:
  const Picture &size() const { return clips_.at("Source"); }
  void dropOutput()
  {
    if (output_) output_->releaseReference();
    output_ = nullptr;
  }
  static std::string formatted(const char *format, va_list arguments)
  {
    char text[4096];
    std::vsnprintf(text, sizeof text, format, arguments);
    return text;
  }

  Clips clips_;
  HostImage *output_ = nullptr;
  std::string message_;
  bool aborted_ = false;
};

inline ClipInstance::ClipInstance(EffectInstance *effect, ImageEffect::ClipDescriptor &descriptor, const Picture *picture)
  : ImageEffect::ClipInstance(effect, descriptor), effect_(effect)
{
  if (picture) picture_ = *picture;
}

inline const std::string &ClipInstance::getPremult() const
{
  static const std::string opaque(kOfxImageOpaque), straight(kOfxImageUnPreMultiplied);
  if (isOutput()) return effect_->getOutputPreMultiplication();
  return picture_.channels == 3 ? opaque : straight;
}

inline ImageEffect::Image *ClipInstance::getImage(OfxTime, const OfxRectD *)
{
  if (isOutput()) {
    effect_->output().addReference();
    return &effect_->output();
  }
  if (!getConnected() || getComponents() != kOfxImageComponentRGBA || getPixelDepth() != kOfxBitDepthFloat) return nullptr;
  const OfxRectI bounds = {0, 0, picture_.width, picture_.height};
  HostImage *image = new HostImage(*this, bounds, getName());
  for (int y = 0; y < bounds.y2; ++y) {
    for (int x = 0; x < bounds.x2; ++x) {
      const float *from = &picture_.data[(size_t(y) * picture_.width + x) * picture_.channels];
      float *to = image->pixel(x, y);
      // A hint is one channel: it goes into all of them, alpha among them. A plate is opaque.
      for (int c = 0; c < 3; ++c) to[c] = from[picture_.channels == 3 ? c : 0];
      to[3] = picture_.channels == 3 ? 1.f : from[0];
    }
  }
  return image;
}

// ---- the host -----------------------------------------------------------------------------------

class Host : public ImageEffect::Host {
public:
  Host()
  {
    OFX::Host::Property::Set &p = _properties;
    p.setIntProperty(kOfxPropAPIVersion, 1, 0);
    p.setIntProperty(kOfxPropAPIVersion, 4, 1);
    p.setStringProperty(kOfxPropName, "org.corridorkey.referenceHost");
    p.setStringProperty(kOfxPropLabel, "Reference host");
    p.setIntProperty(kOfxImageEffectHostPropIsBackground, 1);
    p.setIntProperty(kOfxImageEffectPropSupportsOverlays, 0);
    p.setIntProperty(kOfxImageEffectPropSupportsMultiResolution, 1);
    p.setIntProperty(kOfxImageEffectPropSupportsTiles, 1);
    p.setIntProperty(kOfxImageEffectPropTemporalClipAccess, 1);
    p.setStringProperty(kOfxImageEffectPropSupportedComponents, kOfxImageComponentRGBA, 0);
    p.setStringProperty(kOfxImageEffectPropSupportedContexts, kOfxImageEffectContextFilter, 0);
    p.setStringProperty(kOfxImageEffectPropSupportedContexts, kOfxImageEffectContextGeneral, 1);
    p.setStringProperty(kOfxImageEffectPropSupportedPixelDepths, kOfxBitDepthFloat, 0);
    p.setIntProperty(kOfxImageEffectPropSupportsMultipleClipDepths, 0);
    p.setIntProperty(kOfxImageEffectPropSupportsMultipleClipPARs, 0);
    p.setIntProperty(kOfxParamHostPropMaxParameters, -1);
  }

  // The pictures to connect come as the client data of createInstance.
  ImageEffect::Instance *newInstance(void *data, ImageEffect::ImageEffectPlugin *plugin, ImageEffect::Descriptor &descriptor,
                                     const std::string &context) override
  {
    return new EffectInstance(plugin, descriptor, context, *static_cast<Clips *>(data));
  }
  ImageEffect::Descriptor *makeDescriptor(ImageEffect::ImageEffectPlugin *plugin) override { return new ImageEffect::Descriptor(plugin); }
  ImageEffect::Descriptor *makeDescriptor(const ImageEffect::Descriptor &root, ImageEffect::ImageEffectPlugin *plugin) override
  {
    return new ImageEffect::Descriptor(root, plugin);
  }
  ImageEffect::Descriptor *makeDescriptor(const std::string &bundle, ImageEffect::ImageEffectPlugin *plugin) override
  {
    return new ImageEffect::Descriptor(bundle, plugin);
  }
  OfxStatus vmessage(const char *, const char *, const char *format, va_list arguments) override
  {
    std::vprintf(format, arguments);
    return kOfxStatOK;
  }
  OfxStatus setPersistentMessage(const char *type, const char *id, const char *format, va_list arguments) override
  {
    return vmessage(type, id, format, arguments);
  }
  OfxStatus clearPersistentMessage() override { return kOfxStatOK; }
#ifdef OFX_SUPPORTS_OPENGLRENDER
  OfxStatus flushOpenGLResources() const override { return kOfxStatFailed; }
#endif
};
