package generate

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// Sizes of the world that the events come from.
const (
	publisherCount  = 40
	providerCount   = 12
	advertiserCount = 25
)

// video is one video of a content provider.
type video struct {
	id, title, provider string
	millis              int64
}

// catalogue is everybody who takes part: who shows, who owns, who advertises.
type catalogue struct {
	publishers  []string // host names
	advertisers []string
	videos      []video
	byPublisher skewed
	byVideo     skewed
}

func newCatalogue(r *rand.Rand, events int) *catalogue {
	c := &catalogue{}
	seen := map[string]bool{}
	name := func(parts ...[]string) string {
		for {
			var b strings.Builder
			for _, p := range parts {
				b.WriteString(one(r, p))
			}
			if s := b.String(); !seen[s] {
				seen[s] = true
				return s
			}
		}
	}
	for range publisherCount {
		c.publishers = append(c.publishers, name(titleWords, titleWords, endings))
	}
	providers := make([]string, providerCount)
	for i := range providers {
		providers[i] = name(houseWords, houseEndings)
	}
	for range advertiserCount {
		c.advertisers = append(c.advertisers, name(brandWords, brandEndings))
	}
	owner := newSkewed(providerCount, 2)
	for range min(max(events/50, 20), 5000) {
		var title []string
		for range 3 + r.IntN(4) {
			title = append(title, one(r, titleWords))
		}
		c.videos = append(c.videos, video{
			id:       "x" + strconv.FormatInt(1_000_000+r.Int64N(2_000_000_000), 36),
			title:    strings.Join(title, "-"),
			provider: providers[owner.pick(r)],
			millis:   20_000 + exponential(r, 400_000),
		})
	}
	c.byPublisher = newSkewed(publisherCount, 3)
	c.byVideo = newSkewed(len(c.videos), 8)
	return c
}

type place struct {
	country, region, city, zone string
	latitude, longitude         int64 // ten-thousandths of a degree
}

type platform struct{ platform, system, app string }

// What documents are made of. Read only.
var (
	titleWords   = []string{"final", "match", "live", "news", "recap", "trailer", "season", "episode", "goal", "interview", "best", "world", "cup", "weather", "cooking", "review", "top", "ten", "moment", "show", "night", "music", "video", "clip", "highlights", "documentary", "nature", "tech", "game", "cars", "travel", "city", "paris", "london", "mode", "fashion", "politics", "debate", "election"}
	endings      = []string{".com", ".fr", ".tv", ".co.uk", ".de"}
	houseWords   = []string{"north", "river", "lumen", "atlas", "prisma", "harbor", "vertigo", "cedar", "orbit", "delta", "aurora", "mistral"}
	houseEndings = []string{"-media", "-studios", "-sport", "-films", "-news"}
	brandWords   = []string{"alto", "brio", "corvo", "dune", "elan", "faro", "giro", "halo", "iris", "juno", "kilo", "luna", "mira", "nova"}
	brandEndings = []string{"-motors", "-foods", "-mobile", "-bank", "-games", "-air"}

	places = []place{
		{"FR", "IDF", "Paris", "Europe/Paris", 488566, 23522}, {"FR", "ARA", "Lyon", "Europe/Paris", 457640, 48357},
		{"FR", "PAC", "Marseille", "Europe/Paris", 432965, 53698}, {"GB", "ENG", "London", "Europe/London", 515074, -1278},
		{"US", "NY", "New York", "America/New_York", 407128, -740060}, {"GB", "ENG", "Manchester", "Europe/London", 534808, -22426},
		{"US", "CA", "Los Angeles", "America/Los_Angeles", 340522, -1182437}, {"DE", "BE", "Berlin", "Europe/Berlin", 525200, 134050},
		{"DE", "BY", "München", "Europe/Berlin", 481351, 115820}, {"US", "TX", "Houston", "America/Chicago", 297604, -953698},
		{"BR", "SP", "São Paulo", "America/Sao_Paulo", -235505, -466333}, {"ES", "MD", "Madrid", "Europe/Madrid", 404168, -37038},
		{"IT", "LAZ", "Roma", "Europe/Rome", 419028, 124964}, {"IN", "MH", "Mumbai", "Asia/Kolkata", 190760, 728777},
		{"JP", "13", "東京", "Asia/Tokyo", 356762, 1396503}, {"TR", "34", "İstanbul", "Europe/Istanbul", 410082, 289784},
	}
	platforms = []platform{
		{"web", "Windows 11", "Chrome 142"}, {"android", "Android 16", "ExoPlayer 2.19"}, {"ios", "iOS 26.1", "AVPlayer"},
		{"web", "macOS 26", "Safari 26"}, {"web", "Windows 11", "Firefox 145"}, {"tv", "Tizen 9", "AVPlay"},
		{"tv", "Roku 15", "Roku"}, {"web", "Linux", "Chrome 141"}, {"tv", "tvOS 26", "AVPlayer"},
	}
	versions  = []string{"5.1.1", "5.1.0", "5.0.2", "4.21.3", "5.2.0-beta.3", "4.20.11"}
	networks  = []string{"Orange", "Free", "SFR", "Bouygues", "BT", "Sky", "Comcast", "Verizon", "AT&T", "Telekom", "Vivo", "Jio", "NTT", "Movistar", "TIM"}
	caches    = []string{"akamai", "fastly", "cloudfront", "own-edge"}
	qualities = []struct{ bitrate, height int64 }{{460, 288}, {800, 360}, {1200, 480}, {2400, 720}, {3800, 720}, {6000, 1080}}
	slots     = []string{"preroll", "midroll", "postroll"}
)
