// Package compose has no code: its folder holds the container stack and the image of telcol, and its tests keep both true.
package compose
