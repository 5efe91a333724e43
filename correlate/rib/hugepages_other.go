//go:build !linux

package rib

func collapse(uintptr, uintptr) bool { return false }

func newHugePages() hugePages { return hugePages{off: true} }
