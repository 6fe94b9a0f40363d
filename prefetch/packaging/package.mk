# Included by the Makefile: install, uninstall, deb. The version is kept here and nowhere else.
VERSION := 1.0.0
override CFLAGS += -DVERSION='"$(VERSION)"'

PREFIX = /usr/local
SBINDIR = $(PREFIX)/sbin
MANDIR = $(PREFIX)/share/man
SYSCONFDIR = /etc
UNITDIR = $(PREFIX)/lib/systemd/system
INSTALL = install
INSTALL_STRIP = # -s: without symbols

DEB_ARCH = $(shell dpkg --print-architecture)
DEB = build/prefetchd_$(VERSION)_$(DEB_ARCH).deb
DEB_MAINTAINER = The prefetchd project <prefetchd@localhost>
DEB_TREE = build/deb
DEB_DOC = $(DEB_TREE)/usr/share/doc/prefetchd
DEB_PATHS = PREFIX=/usr SBINDIR=/usr/sbin MANDIR=/usr/share/man SYSCONFDIR=/etc UNITDIR=/usr/lib/systemd/system

install: build/prefetchd build/prefetchctl
	$(INSTALL) -d "$(DESTDIR)$(SBINDIR)" "$(DESTDIR)$(SYSCONFDIR)" "$(DESTDIR)$(UNITDIR)"
	$(INSTALL) -d "$(DESTDIR)$(MANDIR)/man1" "$(DESTDIR)$(MANDIR)/man5" "$(DESTDIR)$(MANDIR)/man8"
	$(INSTALL) $(INSTALL_STRIP) -m 0755 build/prefetchd build/prefetchctl "$(DESTDIR)$(SBINDIR)"
	$(INSTALL) -m 0644 packaging/prefetchctl.1 "$(DESTDIR)$(MANDIR)/man1"
	$(INSTALL) -m 0644 packaging/prefetchd.conf.5 "$(DESTDIR)$(MANDIR)/man5"
	$(INSTALL) -m 0644 packaging/prefetchd.8 "$(DESTDIR)$(MANDIR)/man8"
	test -e "$(DESTDIR)$(SYSCONFDIR)/prefetchd.conf" || \
		$(INSTALL) -m 0644 packaging/prefetchd.conf "$(DESTDIR)$(SYSCONFDIR)/prefetchd.conf"
	sed -e 's|/usr/local/sbin/|$(SBINDIR)/|' -e 's|/etc/prefetchd.conf|$(SYSCONFDIR)/prefetchd.conf|' \
		packaging/prefetchd.service >build/prefetchd.service
	$(INSTALL) -m 0644 build/prefetchd.service "$(DESTDIR)$(UNITDIR)"

# The configuration and what was learnt stay.
uninstall:
	rm -f "$(DESTDIR)$(SBINDIR)/prefetchd" "$(DESTDIR)$(SBINDIR)/prefetchctl"
	rm -f "$(DESTDIR)$(MANDIR)/man1/prefetchctl.1" "$(DESTDIR)$(MANDIR)/man5/prefetchd.conf.5"
	rm -f "$(DESTDIR)$(MANDIR)/man8/prefetchd.8" "$(DESTDIR)$(UNITDIR)/prefetchd.service"

deb: build/prefetchd build/prefetchctl
	rm -rf $(DEB_TREE)
	$(MAKE) --no-print-directory install DESTDIR="$(CURDIR)/$(DEB_TREE)" INSTALL_STRIP=-s $(DEB_PATHS)
	gzip -9n $(DEB_TREE)/usr/share/man/man*/*
	$(INSTALL) -d $(DEB_DOC) $(DEB_TREE)/DEBIAN
	$(INSTALL) -m 0644 README.md packaging/deb/copyright $(DEB_DOC)
	sh packaging/deb/changelog "$(VERSION)" "$(DEB_MAINTAINER)" | gzip -9n >$(DEB_DOC)/changelog.gz
	$(INSTALL) -m 0755 packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm $(DEB_TREE)/DEBIAN
	echo /etc/prefetchd.conf >$(DEB_TREE)/DEBIAN/conffiles
	sed -e 's|@VERSION@|$(VERSION)|' -e 's|@ARCH@|$(DEB_ARCH)|' -e 's|@MAINTAINER@|$(DEB_MAINTAINER)|' \
		-e "s|@SIZE@|$$(du -sk --exclude=DEBIAN $(DEB_TREE) | cut -f 1)|" \
		packaging/deb/control >$(DEB_TREE)/DEBIAN/control
	cd $(DEB_TREE) && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums
	chmod 0644 $(DEB_DOC)/* $(DEB_TREE)/DEBIAN/conffiles $(DEB_TREE)/DEBIAN/control $(DEB_TREE)/DEBIAN/md5sums
	dpkg-deb --build --root-owner-group $(DEB_TREE) $(DEB)

.PHONY: install uninstall deb
