package generate

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// maxDocument is more than the longest document.
const maxDocument = 1200

// session is one viewer watching one video in one publisher's player.
type session struct {
	id, viewer, publisher, version, address, network, cache string
	video                                                   video
	platform                                                platform
	place                                                   place
	quality                                                 int
	n, length                                               int   // events sent, and to send
	position                                                int64 // in the video, ms
	last                                                    int64 // client time of the last event, ms
	paused                                                  bool
	breakLeft                                               int // events left of an advertising break
	breaks                                                  bool
	advertiser                                              string
	campaign                                                int64
}

func (g *Generator) newSession(arrival int64) *session {
	r, c := g.random, g.catalogue
	s := &session{
		id:        string(appendID(nil, newID(g.source, arrival))),
		viewer:    "u" + strconv.FormatUint(r.Uint64()>>20|1<<43, 16),
		video:     c.videos[c.byVideo.pick(r)],
		publisher: c.publishers[c.byPublisher.pick(r)],
		version:   early(r, versions, 1),
		network:   one(r, networks),
		cache:     one(r, caches),
		platform:  early(r, platforms, 3),
		place:     early(r, places, 5),
		quality:   r.IntN(len(qualities)),
		length:    2 + int(exponential(r, 40)),
		breaks:    r.IntN(3) == 0,
	}
	s.address = strconv.Itoa(1+r.IntN(222)) + "." + strconv.Itoa(r.IntN(256)) + "." + strconv.Itoa(r.IntN(256)) + ".0"
	s.place.latitude += r.Int64N(2001) - 1000
	s.place.longitude += r.Int64N(2001) - 1000
	return s
}

// adEvents is what a player sends of one advertising break, in order.
var adEvents = [...]string{"ad_request", "ad_impression", "ad_quartile", "ad_complete"}

// next decides the type of the session's next event and moves it on.
func (s *session) next(r *rand.Rand, c *catalogue) (kind string, watched int64) {
	if s.n == 0 {
		if s.breaks {
			s.startBreak(r, c)
		}
		return "view", 0
	}
	if s.breakLeft > 0 {
		s.breakLeft--
		return adEvents[len(adEvents)-1-s.breakLeft], 0
	}
	if s.advertiser != "" {
		s.advertiser = ""
		return "play", 0
	}
	if s.n == 1 || s.paused {
		s.paused = false
		return "play", 0
	}
	if s.n == s.length-1 {
		return "end", 0
	}
	switch x := r.IntN(100); {
	case x < 75:
		watched = 9_900 + r.Int64N(200)
		s.position = (s.position + watched) % s.video.millis
		return "heartbeat", watched
	case x < 80:
		s.paused = true
		return "pause", 0
	case x < 85:
		return "buffering", 0
	case x < 90:
		s.quality = r.IntN(len(qualities))
		return "quality", 0
	case x < 94:
		s.position = r.Int64N(s.video.millis)
		return "seek", 0
	case x < 97:
		if s.breaks {
			s.startBreak(r, c)
		}
		return "volume", 0
	case x < 98:
		return "error", 0
	default:
		return "fullscreen", 0
	}
}

func (s *session) startBreak(r *rand.Rand, c *catalogue) {
	s.breakLeft, s.advertiser, s.campaign = len(adEvents), one(r, c.advertisers), 1000+r.Int64N(900)
}

// appendEvent appends the session's next event.
func (s *session) appendEvent(b []byte, g *Generator, arrival int64) []byte {
	r := g.random
	first := s.n == 0
	kind, watched := s.next(r, g.catalogue)
	// The client's clock: some way behind the arrival, always going forward.
	s.last = max(s.last+1, arrival-min(20+exponential(r, 150), 5_000))
	b = append(b, `{"id":"`...)
	b = appendID(b, newID(g.source, s.last))
	b = append(b, `","time":"`...)
	b = time.UnixMilli(s.last).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","type":"`...)
	b = append(b, kind...)
	b = append(b, `","session":"`...)
	b = append(b, s.id...)
	b = append(b, `","n":`...)
	b = strconv.AppendInt(b, int64(s.n), 10)
	b = append(b, `,"viewer":"`...)
	b = append(b, s.viewer...)
	b = append(b, `","publisher":"`...)
	b = append(b, s.publisher...)
	b = append(b, `","provider":"`...)
	b = append(b, s.video.provider...)
	b = append(b, `","video":{"id":"`...)
	b = append(b, s.video.id...)
	b = append(b, `","title":"`...)
	b = append(b, s.video.title...)
	b = append(b, `","seconds":`...)
	b = appendThousandths(b, s.video.millis)
	b = append(b, `},"player":{"version":"`...)
	b = append(b, s.version...)
	b = append(b, `","platform":"`...)
	b = append(b, s.platform.platform...)
	b = append(b, `","os":"`...)
	b = append(b, s.platform.system...)
	b = append(b, `","app":"`...)
	b = append(b, s.platform.app...)
	b = append(b, `"}`...)
	if first || kind == "play" || kind == "error" {
		b = s.appendViewer(b)
	}
	b = append(b, `,"position":`...)
	b = appendThousandths(b, s.position)
	switch kind {
	case "heartbeat":
		b = append(b, `,"watched":`...)
		b = appendThousandths(b, watched)
		b = s.appendQuality(b, r)
	case "play", "quality", "buffering":
		b = s.appendQuality(b, r)
	case "volume":
		b = append(b, `,"volume":`...)
		b = strconv.AppendInt(b, r.Int64N(101), 10)
	case "error":
		b = append(b, `,"error":{"code":`...)
		b = strconv.AppendInt(b, 1000+r.Int64N(20), 10)
		b = append(b, `,"message":"MEDIA_ERR_NETWORK: segment \"seg-`...)
		b = strconv.AppendInt(b, r.Int64N(500), 10)
		b = append(b, `.ts\" timed out"}`...)
	}
	if s.advertiser != "" && kind[0] == 'a' {
		b = s.appendAd(b, kind)
	} else {
		b = append(b, `,"ad":null`...)
	}
	s.n++
	return append(b, '}')
}

func (s *session) appendViewer(b []byte) []byte {
	b = append(b, `,"geo":{"ip":"`...)
	b = append(b, s.address...)
	b = append(b, `","country":"`...)
	b = append(b, s.place.country...)
	b = append(b, `","region":"`...)
	b = append(b, s.place.region...)
	b = append(b, `","city":"`...)
	b = append(b, s.place.city...)
	b = append(b, `","zone":"`...)
	b = append(b, s.place.zone...)
	b = append(b, `","lat":`...)
	b = appendDecimal(b, s.place.latitude, 10_000)
	b = append(b, `,"lon":`...)
	b = appendDecimal(b, s.place.longitude, 10_000)
	b = append(b, `,"network":"`...)
	b = append(b, s.network...)
	return append(b, `"}`...)
}

func (s *session) appendQuality(b []byte, r *rand.Rand) []byte {
	q := qualities[s.quality]
	b = append(b, `,"quality":{"bitrate":`...)
	b = strconv.AppendInt(b, q.bitrate, 10)
	b = append(b, `,"height":`...)
	b = strconv.AppendInt(b, q.height, 10)
	b = append(b, `,"buffer":`...)
	b = appendThousandths(b, r.Int64N(30_000))
	b = append(b, `,"dropped":`...)
	b = strconv.AppendInt(b, max(0, r.Int64N(40)-36), 10)
	b = append(b, `,"cdn":"`...)
	b = append(b, s.cache...)
	return append(b, `"}`...)
}

func (s *session) appendAd(b []byte, kind string) []byte {
	slot := slots[1]
	if s.n < len(adEvents)+1 {
		slot = slots[0]
	}
	b = append(b, `,"advertiser":"`...)
	b = append(b, s.advertiser...)
	if kind == "ad_impression" {
		b = append(b, `","impressions":1,"ad":{"campaign":`...)
	} else {
		b = append(b, `","ad":{"campaign":`...)
	}
	b = strconv.AppendInt(b, s.campaign, 10)
	b = append(b, `,"slot":"`...)
	b = append(b, slot...)
	b = append(b, `","seconds":`...)
	b = strconv.AppendInt(b, 15+15*(s.campaign%2), 10)
	return append(b, '}')
}

func appendThousandths(b []byte, v int64) []byte { return appendDecimal(b, v, 1000) }

// appendDecimal appends v/scale, scale a power of ten, with all its places.
func appendDecimal(b []byte, v, scale int64) []byte {
	if v < 0 {
		b, v = append(b, '-'), -v
	}
	b = strconv.AppendInt(b, v/scale, 10)
	b = append(b, '.')
	for scale /= 10; scale > 0; scale /= 10 {
		b = append(b, byte('0'+v/scale%10))
	}
	return b
}
