# What `cmake --install` puts where: programs, manual, examples, systemd unit, logrotate file.
include(GNUInstallDirs)
set(BANYAN_BINARY ${CMAKE_INSTALL_FULL_BINDIR}/banyan)
# The unit is one that systemd's own tools can read as it stands; only the folder of the program is ours to say.
set(unit ${PROJECT_SOURCE_DIR}/conf/systemd/banyan.service)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${unit})
file(READ ${unit} unit_text)
string(REPLACE /usr/local/bin/banyan ${BANYAN_BINARY} unit_text "${unit_text}")
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/banyan.service "${unit_text}")
configure_file(${PROJECT_SOURCE_DIR}/conf/logrotate/banyan ${CMAKE_CURRENT_BINARY_DIR}/logrotate @ONLY)

install(TARGETS banyan banyanctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/banyan.service DESTINATION lib/systemd/system)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/logrotate
  DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/logrotate.d RENAME banyan)
foreach(section 1 5 7 8)
  file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.${section})
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
# Laid out as in /etc/banyan: what a configuration names relative to itself is there.
set(examples ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES ${PROJECT_SOURCE_DIR}/conf/banyan.toml DESTINATION ${examples})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/conf/examples/ DESTINATION ${examples} FILES_MATCHING PATTERN "*.toml")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/scripts DESTINATION ${examples} FILES_MATCHING PATTERN "*.lua")
