package collector

import (
	"fmt"
	"time"
)

// Bounds of what BMPConfig may say.
const (
	minBMPMessage = 4096
	maxBMPMessage = 64 << 20      // a session may hold so much of a message that never ends, twice
	maxKeepalive  = 9 * time.Hour // the kernel refuses more than 32767 s
)

func (b *BMPConfig) validate() error {
	switch {
	case b.MaxMessage < minBMPMessage || b.MaxMessage > maxBMPMessage:
		return fmt.Errorf("%w: bmp.max-message %d is out of range, want 4096 to 64 MiB", ErrConfig, b.MaxMessage)
	case b.StaleTimeout <= 0 || b.QuietPeriod <= 0:
		return fmt.Errorf("%w: bmp.stale-timeout %v and bmp.quiet-period %v must be positive", ErrConfig, b.StaleTimeout, b.QuietPeriod)
	case b.MaxRoutes < 0 || b.MaxAttributeBytes < 0 || b.MaxPeers < 1:
		return fmt.Errorf("%w: bmp.max-routes %d and bmp.max-attribute-bytes %d must not be negative (0 is no limit), bmp.max-peers %d must be positive",
			ErrConfig, b.MaxRoutes, b.MaxAttributeBytes, b.MaxPeers)
	case b.MaxSessions < 1:
		return fmt.Errorf("%w: bmp.max-sessions %d must be positive", ErrConfig, b.MaxSessions)
	case b.Keepalive < time.Second || b.Keepalive > maxKeepalive:
		return fmt.Errorf("%w: bmp.keepalive %v is out of range, want 1s to 9h", ErrConfig, b.Keepalive)
	case b.IdleTimeout != 0 && b.IdleTimeout < time.Second:
		return fmt.Errorf("%w: bmp.idle-timeout %v is too short, want at least 1s, or 0 for never", ErrConfig, b.IdleTimeout)
	case b.DriftReports < 0 || b.DriftRoutes < 1:
		return fmt.Errorf("%w: bmp.drift-reports %d must not be negative, bmp.drift-routes %d must be positive",
			ErrConfig, b.DriftReports, b.DriftRoutes)
	}
	return nil
}
